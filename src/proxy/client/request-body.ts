import type { Fields } from '../../http1/fields.ts'
import { Gathered } from '../../http1/gathered.ts'
import type { BodyTaker } from '../../http1/inbound-request.ts'
import type { MessageRefusal } from '../../http1/refusal.ts'
import { trailerLines } from '../trailers.ts'
import type { UpstreamCall } from '../upstream/upstream-call.ts'
import type { ClientStream } from './client-stream.ts'
import type { Refusal } from './guard.ts'
import { BODY_TOO_LARGE } from './guard.ts'

/** Receives notifications about a request's body. */
export interface BodyOwner {
  /** Whether the server must take what it was sent before more is sent. */
  bodyWaits(isWaiting: boolean): void
  /** The whole body was sent to the server. */
  bodySent(): void
  /** The rest of the body is not accepted. */
  refuseBody(refusal: Refusal): void
}

/** Takes a copy of a body as it passes. */
export interface BodyCopy {
  /** A piece of the body, valid only during this call; a chunked body keeps its framing, except for the last chunk. */
  add(piece: Buffer): void
  /** The body is complete. `trailers`: field lines. */
  end(trailers: string): void
}

export interface RequestBodyOptions {
  /** Max bytes to keep for another try; 0 = none. */
  readonly keptBytes: number
  /** Max bytes of the body; 0 = no limit. */
  readonly maxBytes: number
  /** null = no copy. */
  readonly copy: BodyCopy | null
}

/**
 * A request's body: goes to the current try as it arrives, and is kept for another one as far as it may. Reading begins
 * when a connection to a server is ready, so that a failed connect leaves the body whole.
 */
export class RequestBody implements BodyTaker {
  private readonly stream: ClientStream
  private readonly options: RequestBodyOptions
  private readonly owner: BodyOwner
  /** All that was read; null = too large to keep. */
  private kept: Gathered | null = new Gathered()
  private call: UpstreamCall | null = null
  private isTaken = false
  /** Whether the server must take what it was sent before more is sent; null = nothing was sent to it yet. */
  private isWaiting: boolean | null = null
  /** Field lines after the whole body; null = it is incomplete. */
  private trailers: string | null = null

  constructor(stream: ClientStream, options: RequestBodyOptions, owner: BodyOwner) {
    this.stream = stream
    this.options = options
    this.owner = owner
  }

  /** Whether the body can be sent again from its beginning. */
  get isWhole(): boolean {
    return this.kept !== null
  }

  /** Sends the body on a call that has a connection: first what previous tries have read. */
  sendOn(call: UpstreamCall): void {
    this.call = call
    this.isWaiting = null
    const { kept } = this
    if (kept !== null && kept.length > 0) this.write(Buffer.from(kept.bytes.subarray(0, kept.length)))
    if (this.trailers !== null) this.end(call, this.trailers)
    else if (!this.isTaken) {
      this.isTaken = true
      this.stream.takeBody(this)
    } else if (this.isWaiting !== true) this.stream.resumeBody()
  }

  /** Stops sending: the try has ended. */
  leave(): void {
    this.call = null
    this.isWaiting = null
    if (this.isTaken && this.trailers === null) this.stream.pauseBody()
  }

  /** The server can take more. */
  serverReady(): void {
    if (!this.isWaiting) return
    this.isWaiting = false
    this.owner.bodyWaits(false)
    this.stream.resumeBody()
  }

  onRequestBody(piece: Buffer): void {
    const { maxBytes, copy } = this.options
    this.keep(piece)
    copy?.add(piece)
    if (maxBytes > 0 && this.stream.body.bytes > maxBytes) this.owner.refuseBody(BODY_TOO_LARGE)
    else this.write(piece)
  }

  onRequestEnd(trailers: Fields): void {
    this.trailers = trailerLines(trailers)
    if (this.call !== null) this.end(this.call, this.trailers)
    this.options.copy?.end(this.trailers)
  }

  onRequestBroken(refusal: MessageRefusal | null): void {
    // If the client has left, the owner is told of that.
    if (refusal !== null) this.owner.refuseBody(refusal)
  }

  private write(piece: Buffer): void {
    if (this.call === null) return
    const before = this.isWaiting
    this.isWaiting = !this.call.write(piece)
    if (this.isWaiting !== before) this.owner.bodyWaits(this.isWaiting)
    if (this.isWaiting) this.stream.pauseBody()
  }

  private end(call: UpstreamCall, trailers: string): void {
    call.end(trailers)
    this.owner.bodySent()
  }

  private keep(piece: Buffer): void {
    if (this.kept === null) return
    if (this.kept.length + piece.length > this.options.keptBytes) this.kept = null
    else this.kept.add(piece)
  }
}
