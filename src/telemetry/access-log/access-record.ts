/** Data of one request, complete when the request has ended. */
export interface AccessRecord {
  /** Milliseconds since the epoch, when the request ended. */
  readonly atMs: number
  readonly client: string
  readonly method: string
  readonly host: string
  /** Path and query as sent. */
  readonly target: string
  /** null = the request was refused before its head was read. */
  readonly head: LoggedHead | null
  /** Status sent to the client; 499 = the client left before the response. */
  readonly status: number
  /** Status of a call of gRPC; null = there is none. */
  readonly grpcStatus: number | null
  /** Body bytes sent to the client. */
  readonly bytes: number
  /** From the header of the request to the last byte of the response. */
  readonly durationMs: number
  /** Part of `durationMs` spent queued for a server below its limit. */
  readonly queueMs: number
  /** Time for which it was held because its service was paused, ms. */
  readonly heldMs: number
  /** Time until the last try had a connection; about 0 if a pooled one was free. null = it had none. */
  readonly connectMs: number | null
  /** Time until the header of the response came; null = none came. */
  readonly firstByteMs: number | null
  readonly service: string
  readonly pool: string
  readonly version: string
  readonly server: string
  readonly attempts: number
  readonly requestId: string
  readonly traceId: string
  /** RFC 9209 error name; empty when nothing went wrong. */
  readonly error: string
  /** null = the connection is plain. */
  readonly tls: LoggedTls | null
  /** Fields that hooks have added; null = none. */
  readonly tags: Readonly<Record<string, LogTag>> | null
}

/** TLS of a connection, in characters that no format needs to escape. */
export interface LoggedTls {
  readonly version: string
  readonly cipher: string
  /** Empty = the client has asked for no name. */
  readonly serverName: string
}

/** The head of a request; only formats that show header fields ask it for them. */
export interface LoggedHead {
  /** Version of HTTP: `1.0`, `1.1` or `2.0`. */
  readonly version: string
  /** Value of the first field with this lower-case name, one character per byte; empty = there is none. */
  firstOf(name: string): string
}

/** A value of a field that a hook has added. */
export type LogTag = string | number | boolean
