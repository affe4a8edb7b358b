import type { Socket } from 'node:net'
import type { BodyReader } from './body-reader.ts'
import type { Fields } from './fields.ts'
import type { InboundConnection } from './inbound-connection.ts'
import type { MessageRefusal } from './refusal.ts'

/** Receives the body of a request. */
export interface BodyTaker {
  /** A piece of the body; a chunked body keeps its framing, except for the last chunk. */
  onRequestBody(piece: Buffer): void
  /** The body is complete; `trailers`: the fields after it. */
  onRequestEnd(trailers: Fields): void
  /** The body breaks off: the client has left (null), or sent something malformed or nothing for too long. */
  onRequestBroken(refusal: MessageRefusal | null): void
}

/** Is told of the client while its request is in flight. */
export interface RequestOwner {
  /** The connection has closed before the response was complete. */
  onClientGone(): void
  /** The client can take more of the response. */
  onClientReady(): void
}

const NO_OWNER: RequestOwner = { onClientGone: () => undefined, onClientReady: () => undefined }

/** One request of a client, with the functions to respond to it. */
export class InboundRequest {
  readonly method: string
  readonly target: string
  /** Minor version: 0 or 1. */
  readonly minor: number
  readonly fields: Fields
  readonly body: BodyReader
  owner: RequestOwner = NO_OWNER
  /** Whether the connection closes after the response. */
  closes: boolean
  /** Bytes of the response's body written so far. */
  sentBytes = 0
  /** Whether the head of the response was written. */
  headIsSent = false
  private readonly connection: InboundConnection
  private head = ''

  constructor(
    connection: InboundConnection,
    { method, target, minor, fields }: Pick<InboundRequest, 'method' | 'target' | 'minor' | 'fields'>,
    body: BodyReader,
    closes: boolean,
  ) {
    this.connection = connection
    this.method = method
    this.target = target
    this.minor = minor
    this.fields = fields
    this.body = body
    this.closes = closes
  }

  /** Whether the whole request was received. */
  get isComplete(): boolean {
    return this.body.isDone
  }

  /** Sends the body to `taker`, including what has arrived so far. */
  takeBody(taker: BodyTaker): void {
    this.connection.takeBody(taker)
  }

  pauseBody(): void {
    this.connection.pauseBody()
  }

  resumeBody(): void {
    this.connection.resumeBody()
  }

  /** Sends an interim response. `head`: start line and fields with the final empty line. */
  interim(head: string): void {
    this.connection.write(head, null)
  }

  /**
   * Sets the head of the response, one character per byte; it is sent with the first piece of the body, or by `flush`.
   */
  begin(head: string): void {
    this.head = head
  }

  /** Sends the head if it was not sent yet. */
  flush(): void {
    if (this.headIsSent) return
    this.headIsSent = true
    this.connection.write(this.head, null)
  }

  /** Sends a piece of the body, framed as the head says. Returns false if the caller must wait for `onClientReady`. */
  write(piece: Buffer): boolean {
    this.sentBytes += piece.length
    if (this.headIsSent) return this.connection.write('', piece)
    this.headIsSent = true
    return this.connection.write(this.head, piece)
  }

  /** Sends text in the body, such as the framing of a chunk. */
  writeText(text: string): void {
    if (this.headIsSent) this.connection.write(text, null)
    else {
      this.headIsSent = true
      this.connection.write(this.head + text, null)
    }
  }

  /** Completes the response. `tail`: its last bytes, such as the last chunk. */
  end(tail = ''): void {
    if (!this.headIsSent || tail !== '') this.writeText(tail)
    this.connection.answered(this)
  }

  /** Releases the socket for another protocol. `early`: the input after the request. */
  detach(): { readonly socket: Socket; readonly early: readonly Buffer[] } {
    return { socket: this.connection.socket, early: this.connection.detach() }
  }

  /** Breaks the response off. `isFramed`: the framing shows the client that the response is incomplete. */
  breakOff(isFramed: boolean): void {
    this.connection.breakOff(isFramed)
  }
}
