import type { Socket } from 'node:net'
import type { BodyReader } from './body-reader.ts'
import type { Fields } from './fields.ts'
import type { OutboundConnection } from './outbound-connection.ts'
import type { Refusal } from './refusal.ts'

/** How a call has failed: no connection was made; it ended before, or in the middle of, the response; the response makes no sense. */
export type CallFailure =
  | { readonly kind: 'connect'; readonly error: Error }
  | { readonly kind: 'closed'; readonly error: Error | null }
  | { readonly kind: 'incomplete'; readonly error: Error | null }
  | { readonly kind: 'nonsense'; readonly refusal: Refusal }

/** A request to a server, as it goes over the wire. */
export interface OutboundRequest {
  /** Start line and fields, one character a byte. */
  readonly head: string
  /** The response has no body whatever it says: the method is HEAD. */
  readonly isBodiless: boolean
  /** The protocol that an upgrade asks for, in lower case; empty = none. */
  readonly upgrade: string
  /** Nothing follows the head. */
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

/** Hears of a call, in this order; nothing comes after `onResponseEnd`, `onUpgrade` or `onFailed`. */
export interface CallHandler {
  /** It has a connection, on which the head has been sent. */
  onSent(): void
  /** The server takes more of the request's body. */
  onServerReady(): void
  onInterim(status: number, fields: Fields): void
  onResponse(response: ResponseStart): void
  /** A piece of the body; a chunked one keeps its framing, all but the last chunk, unless the call says otherwise. */
  onResponseBody(piece: Buffer): void
  /** All that was there to be read has been handed on; more may come. */
  onRead(): void
  onResponseEnd(trailers: Fields): void
  /** The server has switched protocols. `early`: what it has sent since. */
  onUpgrade(response: Omit<ResponseStart, 'body'>, socket: Socket, early: readonly Buffer[]): void
  onFailed(failure: CallFailure): void
}

/** One request to a server, from the wait for a connection on. */
export class OutboundCall {
  readonly request: OutboundRequest
  readonly handler: CallHandler
  /** Whether the response's body comes without the framing of chunks. To be set before it does. */
  isBare = false
  /** The connection had been used before: the server may have closed it just as the request was sent. */
  isOnUsedConnection = false
  private connection: OutboundConnection | null = null
  private isOver = false
  /** Ends the wait for a connection. */
  private cancel: () => void = () => undefined

  constructor(request: OutboundRequest, handler: CallHandler) {
    this.request = request
    this.handler = handler
  }

  /** A connection is being opened for it; `cancel` ends that. */
  awaitConnection(cancel: () => void): void {
    this.cancel = cancel
  }

  /** A connection is there for it. */
  start(connection: OutboundConnection): void {
    this.connection = connection
    this.isOnUsedConnection = connection.isUsed
    connection.begin(this)
  }

  get hasConnection(): boolean {
    return this.connection !== null
  }

  /** Sends a piece of the request's body, framed as its head says. Returns whether the server takes more. */
  write(piece: Buffer): boolean {
    return this.connection?.write(piece) ?? false
  }

  /** The request is whole; `tail`: its last bytes, such as the last chunk. */
  end(tail = ''): void {
    this.connection?.endRequest(tail)
  }

  pause(): void {
    this.connection?.pause()
  }

  resume(): void {
    this.connection?.resume()
  }

  /** Ends it, wherever it is. The handler hears nothing of it any more. */
  abort(): void {
    if (this.isOver) return
    this.isOver = true
    if (this.connection === null) this.cancel()
    else this.connection.destroy()
  }

  /** It has ended: with its last word to the handler. Returns false where that was said before. */
  finish(): boolean {
    if (this.isOver) return false
    this.isOver = true
    return true
  }
}
