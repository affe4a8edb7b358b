import type { AccessRecord } from '../access-log/access-record.ts'

/** A request whose trace is recorded, once it has ended. */
export interface TracedRequest {
  readonly entry: AccessRecord
  /** The span of the proxy before this one; empty = the trace begins here. */
  readonly parentSpanId: string
  /** `tracestate` of the trace; empty = none. */
  readonly traceState: string
  /** Path and query as the client sent them; empty if there is no path, as in `OPTIONS *`. */
  readonly target: string
  readonly scheme: string
  /** Address of the peer; empty for a peer at a socket file. */
  readonly peer: string
  /** Version of HTTP: `1.0`, `1.1` or `2.0`. */
  readonly version: string
  readonly userAgent: string
  /** Body bytes received. */
  readonly requestBytes: number
  /** Status that the client got; 0 = none. */
  readonly status: number
  /** Path and query for the servers. */
  readonly serverTarget: string
  readonly tries: readonly TracedTry[]
}

/** One try at a server. Times are milliseconds since the epoch. */
export interface TracedTry {
  readonly spanId: string
  /** Scheme, host and port of the server. */
  readonly url: string
  readonly pool: string
  readonly version: string
  readonly server: string
  readonly beganAt: number
  readonly endedAt: number
  /** Time until it had a connection, ms; null = it had none. */
  readonly connectMs: number | null
  /** Status of the server's response; 0 = none began. */
  readonly status: number
  /** RFC 9209 error name; empty when nothing went wrong. */
  readonly error: string
}
