import type { Socket } from 'node:net'
import type { BodyReader } from './body-reader.ts'
import type { Fields } from './fields.ts'
import type { InboundConnection } from './inbound-connection.ts'
import type { Refusal } from './refusal.ts'

/** Takes the body of a request. */
export interface BodyTaker {
  /** A piece of it; a chunked body keeps its framing, all but the last chunk. */
  onRequestBody(piece: Buffer): void
  /** All of it has come; `trailers`: the fields behind it. */
  onRequestEnd(trailers: Fields): void
  /** It does not come to its end: the client has left, or what it sends makes no sense. */
  onRequestBroken(refusal: Refusal | null): void
}

/** Hears of the client while its request is under way. */
export interface RequestOwner {
  /** The connection has closed before the answer was whole. */
  onClientGone(): void
  /** The client takes more of the answer. */
  onClientReady(): void
}

const NOBODY: RequestOwner = { onClientGone: () => undefined, onClientReady: () => undefined }

/** One request of a client, and the way to answer it. */
export class InboundRequest {
  readonly method: string
  readonly target: string
  /** Of the version: 0 or 1. */
  readonly minor: number
  readonly fields: Fields
  readonly body: BodyReader
  owner: RequestOwner = NOBODY
  /** The connection ends with the answer. */
  closes: boolean
  /** Bytes of the answer behind its head so far. */
  sentBytes = 0
  /** Its head has gone out. */
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

  /** Whether all of the request has come. */
  get isComplete(): boolean {
    return this.body.isDone
  }

  /** Has the body come to `taker`, at once and from now on. */
  takeBody(taker: BodyTaker): void {
    this.connection.takeBody(taker)
  }

  pauseBody(): void {
    this.connection.pauseBody()
  }

  resumeBody(): void {
    this.connection.resumeBody()
  }

  /** Sends an interim response, head and all. */
  interim(head: string): void {
    this.connection.write(head, null)
  }

  /** The head of the answer, one character a byte; it goes out with the first piece of the body, or with `flush`. */
  begin(head: string): void {
    this.head = head
  }

  /** Sends the head if it has not gone out with a piece of the body. */
  flush(): void {
    if (this.headIsSent) return
    this.headIsSent = true
    this.connection.write(this.head, null)
  }

  /** Sends a piece of the body, framed as the head says. Returns whether the client takes more; if not, `onClientReady` will. */
  write(piece: Buffer): boolean {
    this.sentBytes += piece.length
    if (this.headIsSent) return this.connection.write('', piece)
    this.headIsSent = true
    return this.connection.write(this.head, piece)
  }

  /** Sends text in the body: the framing of a chunk, say. */
  writeText(text: string): void {
    if (this.headIsSent) this.connection.write(text, null)
    else {
      this.headIsSent = true
      this.connection.write(this.head + text, null)
    }
  }

  /** The answer is whole; `tail`: its last bytes, such as the last chunk. */
  end(tail = ''): void {
    if (!this.headIsSent || tail !== '') this.writeText(tail)
    this.connection.answered(this)
  }

  /** Lets go of the connection for another protocol. `early`: what has come behind the request. */
  detach(): { readonly socket: Socket; readonly early: readonly Buffer[] } {
    return { socket: this.connection.socket, early: this.connection.detach() }
  }

  /** The answer breaks off; `isFramed`: the client sees from what it has that there is more to come. */
  breakOff(isFramed: boolean): void {
    this.connection.breakOff(isFramed)
  }
}
