import type { Socket } from 'node:net'
import { BodyReader, type BodySink } from './body-reader.ts'
import { persists } from './connection-options.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import type { FieldNames } from './field-names.ts'
import { type BodyFraming, isRefusal, requestFraming } from './framing.ts'
import type { HeadLimits } from './head-reader.ts'
import { type BodyTaker, InboundRequest } from './inbound-request.ts'
import { BODY_STALLED, HEAD_STALLED, type Refusal } from './refusal.ts'
import { RequestReader } from './request-reader.ts'

/** Bytes of the next requests that are read ahead while one is under way. */
const MAX_HELD_BYTES = 64 * 1024
/** Requests that are taken in one turn of the event loop; then other connections have theirs. */
const MAX_REQUESTS_PER_TURN = 16
/** A head and a piece of a body that are together no longer than this are copied into one write. */
const MAX_COPIED_BYTES = 16 * 1024
/** How long what a client still sends is dropped after the last answer: closed with bytes unread, the connection is reset. */
const LINGER_MS = 2_000

const DROP: BodyTaker = {
  onRequestBody: () => undefined,
  onRequestEnd: () => undefined,
  onRequestBroken: () => undefined,
}

/** 0 = none. */
export interface InboundTimeouts {
  /** From the first byte of a head to its last. */
  readonly headMs: number
  /** Between two requests. */
  readonly keepAliveMs: number
  /** Between two pieces of a body. */
  readonly idleBodyMs: number
}

export interface InboundOptions {
  readonly names: FieldNames
  readonly limits: HeadLimits
  readonly timeouts: InboundTimeouts
  readonly deadlines: Deadlines
}

export interface InboundHandler {
  /** A request has come. The next one is read when it is answered. */
  onRequest(request: InboundRequest): void
  /** Something has come that is no request. Returns the whole answer, after which the connection closes. */
  onRefusal(refusal: Refusal, seen: RequestReader): string
  /** The connection has closed. */
  onClosed(): void
}

/**
 * The connection of one client: reads its requests one after the other, and writes the answers in the same order. What comes
 * behind a request that is under way is held unread, within a bound.
 */
export class InboundConnection implements BodySink {
  readonly socket: Socket
  private readonly options: InboundOptions
  private readonly handler: InboundHandler
  private readonly reader: RequestReader
  private readonly deadline: Deadline
  private request: InboundRequest | null = null
  private taker: BodyTaker | null = null
  /** The answer to the request under way is whole; its body may still come. */
  private isAnswered = false
  /** What has come and is not read yet. */
  private held: Buffer[] = []
  private heldBytes = 0
  private isReading = false
  private isBodyPaused = false
  /** The client sends nothing any more. */
  private hasEnded = false
  private isClosing = false
  /** The handler knows of the request under way. */
  private isAnnounced = true

  constructor(socket: Socket, options: InboundOptions, handler: InboundHandler) {
    this.socket = socket
    this.options = options
    this.handler = handler
    this.reader = new RequestReader(options.names, options.limits)
    this.deadline = options.deadlines.create(() => this.onDeadline())
    this.deadline.set(options.timeouts.headMs)
    socket.on('data', this.onData).on('end', this.onEnd).on('drain', this.onDrain).on('close', this.onClose)
    socket.on('error', () => socket.destroy())
  }

  /** Has the body of the request under way come to `taker`. */
  takeBody(taker: BodyTaker): void {
    this.taker = taker
    if (this.request?.body.isDone) taker.onRequestEnd(this.request.body.trailers)
    else this.readOn()
  }

  pauseBody(): void {
    this.isBodyPaused = true
    this.deadline.clear()
    this.socket.pause()
  }

  resumeBody(): void {
    if (!this.isBodyPaused) return
    this.isBodyPaused = false
    this.readOn()
  }

  onBody(piece: Buffer): void {
    this.taker?.onRequestBody(piece)
  }

  /** Writes text, one character a byte, and a piece of a body behind it, in one go. Returns whether the client takes more. */
  write(text: string, piece: Buffer | null): boolean {
    const { socket } = this
    if (piece === null) return socket.write(text, 'latin1')
    if (text === '') return socket.write(piece)
    if (text.length + piece.length > MAX_COPIED_BYTES) {
      socket.cork()
      socket.write(text, 'latin1')
      const takesMore = socket.write(piece)
      socket.uncork()
      return takesMore
    }
    const bytes = Buffer.allocUnsafe(text.length + piece.length)
    bytes.write(text, 0, 'latin1')
    piece.copy(bytes, text.length)
    return socket.write(bytes)
  }

  /** The answer to `request` is whole. */
  answered(request: InboundRequest): void {
    if (request !== this.request || this.isAnswered) return
    this.isAnswered = true
    if (request.closes) this.closeGently()
    else if (request.body.isDone) this.next()
    else {
      // Nobody wants the rest of the body, and the next request comes behind it.
      this.taker = DROP
      this.isBodyPaused = false
      this.readOn()
    }
  }

  /** Ends the connection in the middle of an answer. A Unix socket cannot be reset. */
  breakOff(isFramed: boolean): void {
    if (isFramed || this.socket.localAddress === undefined) this.closeGently()
    else this.socket.resetAndDestroy()
  }

  /** Ends the connection when what was written has gone out; what the client still sends is dropped for a while. */
  closeGently(): void {
    if (this.isClosing) return
    this.isClosing = true
    this.held = []
    this.socket.end()
    this.socket.resume()
    this.deadline.set(LINGER_MS)
  }

  /** Lets go of the socket for another protocol. Returns what has come behind the request. */
  detach(): readonly Buffer[] {
    this.deadline.close()
    this.socket.off('data', this.onData).off('end', this.onEnd).off('drain', this.onDrain).off('close', this.onClose)
    this.handler.onClosed()
    return this.held.splice(0)
  }

  private readonly onData = (chunk: Buffer): void => {
    if (this.isClosing) return
    this.hold(chunk)
    this.readOn()
  }

  private hold(piece: Buffer): void {
    this.held.push(piece)
    this.heldBytes += piece.length
  }

  /** Reads what is held, as far as it may be read now. */
  private readOn(): void {
    if (this.isReading) return
    this.isReading = true
    let requests = 0
    while (this.held.length > 0 && this.mayRead) {
      if (this.request === null && ++requests > MAX_REQUESTS_PER_TURN) {
        setImmediate(() => this.readOn())
        break
      }
      const chunk = this.held.shift() as Buffer
      this.heldBytes -= chunk.length
      const at = this.request === null ? this.readHead(chunk) : this.readBody(chunk, this.request)
      if (at < chunk.length && !this.isClosing) {
        this.held.unshift(chunk.subarray(at))
        this.heldBytes += chunk.length - at
      }
      if (this.request !== null && !this.isAnnounced) this.announce(this.request)
    }
    this.isReading = false
    if (this.isClosing) return
    if (this.isBodyPaused || this.heldBytes >= MAX_HELD_BYTES || (this.heldBytes > 0 && this.awaitsTaker)) {
      this.socket.pause()
    } else if (this.socket.isPaused()) this.socket.resume()
    if (this.hasEnded && this.held.length === 0) this.endOfInput()
  }

  private announce(request: InboundRequest): void {
    this.isAnnounced = true
    this.handler.onRequest(request)
  }

  private get mayRead(): boolean {
    if (this.isClosing) return false
    // A client that takes no answers has no further requests.
    if (this.request === null) return !this.socket.writableNeedDrain
    return !this.request.body.isDone && this.taker !== null && !this.isBodyPaused
  }

  /** The body has come, in part at least, before anybody wants it. */
  private get awaitsTaker(): boolean {
    return this.request !== null && !this.request.body.isDone && this.taker === null
  }

  private readHead(chunk: Buffer): number {
    const { reader } = this
    const hadBegun = reader.hasBegun
    const at = reader.read(chunk)
    if (reader.refusal !== null) {
      this.refuse(reader.refusal)
      return chunk.length
    }
    if (!reader.isDone) {
      if (!hadBegun && reader.hasBegun) this.deadline.set(this.options.timeouts.headMs)
      return at
    }
    const framing = requestFraming(reader.fields, reader.minor)
    if (isRefusal(framing)) {
      this.refuse(framing)
      return chunk.length
    }
    this.begin(framing)
    return at
  }

  private begin(framing: BodyFraming): void {
    const { reader } = this
    this.deadline.clear()
    const body = new BodyReader(framing, this.options.names, false)
    this.request = new InboundRequest(this, reader, body, !persists(reader.fields, reader.minor))
    this.taker = null
    this.isAnswered = false
    this.isBodyPaused = false
    this.isAnnounced = false
    reader.begin()
  }

  private readBody(chunk: Buffer, request: InboundRequest): number {
    const { body } = request
    const at = body.read(chunk, 0, this)
    if (body.refusal !== null) {
      request.closes = true
      this.taker?.onRequestBroken(body.refusal)
      if (this.isAnswered) this.closeGently()
      return chunk.length
    }
    if (!body.isDone) {
      if (!this.isBodyPaused) this.deadline.set(this.options.timeouts.idleBodyMs)
      return at
    }
    this.deadline.clear()
    this.taker?.onRequestEnd(body.trailers)
    if (this.isAnswered) this.next()
    return at
  }

  /** The request is over, and so is its answer. */
  private next(): void {
    this.request = null
    this.taker = null
    this.isBodyPaused = false
    this.deadline.set(this.options.timeouts.keepAliveMs)
    this.readOn()
  }

  private refuse(refusal: Refusal): void {
    this.write(this.handler.onRefusal(refusal, this.reader), null)
    this.closeGently()
  }

  private readonly onEnd = (): void => {
    this.hasEnded = true
    this.readOn()
  }

  /** All that the client has sent is read: it may still wait for an answer. */
  private endOfInput(): void {
    const { request } = this
    if (request === null) this.closeGently()
    else if (!request.body.isDone) this.socket.destroy()
    else request.closes = true
  }

  private readonly onDrain = (): void => {
    this.request?.owner.onClientReady()
    this.readOn()
  }

  private readonly onClose = (): void => {
    this.deadline.close()
    this.isClosing = true
    const { request, taker } = this
    this.request = null
    if (request !== null && !request.body.isDone) taker?.onRequestBroken(null)
    if (request !== null && !this.isAnswered) request.owner.onClientGone()
    this.handler.onClosed()
  }

  private onDeadline(): void {
    if (this.isClosing) this.socket.destroy()
    else if (this.request !== null) {
      this.request.closes = true
      this.taker?.onRequestBroken(BODY_STALLED)
      if (this.isAnswered) this.closeGently()
    } else if (this.reader.hasBegun) this.refuse(HEAD_STALLED)
    else this.closeGently()
  }
}
