import type { Duplex } from 'node:stream'
import type { BodyReader } from './body-reader.ts'
import type { Fields } from './fields.ts'
import type { HttpVersion } from './http-version.ts'
import type { MessageRefusal } from './refusal.ts'

/**
 * Failure of a call: no connection; the server has refused the request before it did anything with it; the connection
 * closed before the response, or within it; a malformed response; nothing for the time of `setTimeout`; or an exception of
 * the handler. `reset`: the HTTP/2 error code with which the server has ended the stream.
 */
export type CallFailure =
  | { readonly kind: 'connect'; readonly error: Error }
  | { readonly kind: 'refused' }
  | { readonly kind: 'closed'; readonly error: Error | null; readonly reset?: number }
  | { readonly kind: 'incomplete'; readonly error: Error | null; readonly reset?: number }
  | { readonly kind: 'nonsense'; readonly refusal: MessageRefusal }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'crashed'; readonly error: Error }

/** A request to a server. */
export interface OutboundRequest {
  readonly method: string
  readonly path: string
  /** Field lines, without those of the connection and of the framing other than Content-Length. */
  readonly lines: string
  /**
   * Body after the head. `length`: its length is in Content-Length. `chunked`: its pieces have their framing. `unknown`:
   * neither.
   */
  readonly body: 'none' | 'length' | 'chunked' | 'unknown'
  /** Whether the client says that it takes trailers (`te: trailers`). */
  readonly takesTrailers: boolean
  /** The protocol of a requested upgrade; empty = none. */
  readonly upgrade: string
}

/** The body of a response, as far as it has come. */
export type ResponseBodyState = Pick<BodyReader, 'framing' | 'bytes' | 'isBare'>

/** The start of a response. */
export interface ResponseStart {
  readonly status: number
  readonly version: HttpVersion
  /** null = the standard phrase. */
  readonly reason: string | null
  readonly fields: Fields
  readonly body: ResponseBodyState
}

/** Is told of a call, in this order. `onResponseEnd`, `onUpgrade` or `onFailed` is the last. */
export interface CallHandler {
  /** The call has a connection, and the head was sent on it. */
  onSent(): void
  /** The server can take more of the request's body. */
  onServerReady(): void
  onInterim(status: number, fields: Fields): void
  onResponse(response: ResponseStart): void
  /** A piece of the body, as its reader delivers it: see `BodyReader`. It is valid only during this call. */
  onResponseBody(piece: Buffer): void
  /** All input received so far was delivered; more may follow. */
  onRead(): void
  onResponseEnd(trailers: Fields): void
  /** The server has switched protocols. `early`: the bytes after its response. */
  onUpgrade(response: Omit<ResponseStart, 'body'>, socket: Duplex, early: readonly Buffer[]): void
  onFailed(failure: CallFailure): void
}

/** The connection of a call. */
export interface CallConnection {
  /** Sends the head of the call's request. */
  begin(call: OutboundCall): void
  write(piece: Buffer): boolean
  endRequest(trailers: string): void
  pause(): void
  resume(): void
  setTimeout(timeoutMs: number): void
  destroy(): void
}

/** One request to a server; begins with the wait for a connection. */
export class OutboundCall {
  readonly request: OutboundRequest
  readonly handler: CallHandler
  private connection: CallConnection | null = null
  /** The call has ended, or was aborted. */
  private isOver = false
  /** Cancels the wait for a connection. */
  private cancel: () => void = () => undefined

  constructor(request: OutboundRequest, handler: CallHandler) {
    this.request = request
    this.handler = handler
  }

  /** Call while a connection is being opened for this call. `cancel` stops that. */
  awaitConnection(cancel: () => void): void {
    this.cancel = cancel
  }

  /** Sends the request on a connection. */
  start(connection: CallConnection): void {
    this.connection = connection
    connection.begin(this)
  }

  /**
   * Sends a piece of the request's body; that of a `chunked` one with its framing. Returns false if the caller must wait for
   * `onServerReady`.
   */
  write(piece: Buffer): boolean {
    return this.isOver || this.connection === null || this.connection.write(piece)
  }

  /** Completes the request. `trailers`: field lines after a body in chunks. */
  end(trailers = ''): void {
    if (!this.isOver) this.connection?.endRequest(trailers)
  }

  pause(): void {
    if (!this.isOver) this.connection?.pause()
  }

  resume(): void {
    if (!this.isOver) this.connection?.resume()
  }

  /** Fails the call after this time from now, in place of an earlier timeout; 0 = no timeout. */
  setTimeout(timeoutMs: number): void {
    if (!this.isOver) this.connection?.setTimeout(timeoutMs)
  }

  /** Ends the call at any stage. The handler is not called any more. */
  abort(): void {
    if (this.isOver) return
    this.isOver = true
    if (this.connection === null) this.cancel()
    else this.connection.destroy()
  }

  /** Marks the call as ended, before the last call of the handler. Returns false if it had ended before. */
  finish(): boolean {
    if (this.isOver) return false
    this.isOver = true
    return true
  }
}
