import type { Socket } from 'node:net'
import type { BodyReader } from './body-reader.ts'
import type { Fields } from './fields.ts'
import type { OutboundConnection } from './outbound-connection.ts'
import type { MessageRefusal } from './refusal.ts'

/** Failure of a call: no connection; connection closed before the response; or within it; malformed response. */
export type CallFailure =
  | { readonly kind: 'connect'; readonly error: Error }
  | { readonly kind: 'closed'; readonly error: Error | null }
  | { readonly kind: 'incomplete'; readonly error: Error | null }
  | { readonly kind: 'nonsense'; readonly refusal: MessageRefusal }

/** A request to a server, in its form on the wire. */
export interface OutboundRequest {
  /** Start line and fields, one character per byte. */
  readonly head: string
  /** Whether the method is HEAD: the response has no body, whatever its header says. */
  readonly isBodiless: boolean
  /** The protocol of a requested upgrade, in lower case; empty = none. */
  readonly upgrade: string
  /** Whether a body follows the head. */
  readonly hasBody: boolean
}

/** The start of a response. */
export interface ResponseStart {
  readonly status: number
  readonly minor: number
  readonly reason: string
  readonly fields: Fields
  readonly body: BodyReader
}

/** Is told of a call, in this order. `onResponseEnd`, `onUpgrade` or `onFailed` is the last. */
export interface CallHandler {
  /** The call has a connection, and the head was sent on it. */
  onSent(): void
  /** The server can take more of the request's body. */
  onServerReady(): void
  onInterim(status: number, fields: Fields): void
  onResponse(response: ResponseStart): void
  /** A piece of the body, as its reader delivers it: see `BodyReader`. */
  onResponseBody(piece: Buffer): void
  /** All input received so far was delivered; more may follow. */
  onRead(): void
  onResponseEnd(trailers: Fields): void
  /** The server has switched protocols. `early`: the bytes after its response. */
  onUpgrade(response: Omit<ResponseStart, 'body'>, socket: Socket, early: readonly Buffer[]): void
  onFailed(failure: CallFailure): void
}

/** One request to a server; begins with the wait for a connection. */
export class OutboundCall {
  readonly request: OutboundRequest
  readonly handler: CallHandler
  /** Whether the connection was used before: the server may have closed it just as the request was sent. */
  isOnUsedConnection = false
  private connection: OutboundConnection | null = null
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
  start(connection: OutboundConnection): void {
    this.connection = connection
    this.isOnUsedConnection = connection.isUsed
    connection.begin(this)
  }

  get hasConnection(): boolean {
    return this.connection !== null
  }

  /**
   * Sends a piece of the request's body, framed as its head says. Returns false if the caller must wait for
   * `onServerReady`.
   */
  write(piece: Buffer): boolean {
    return this.connection?.write(piece) ?? false
  }

  /** Completes the request. `tail`: its last bytes, such as the last chunk. */
  end(tail = ''): void {
    this.connection?.endRequest(tail)
  }

  pause(): void {
    this.connection?.pause()
  }

  resume(): void {
    this.connection?.resume()
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
