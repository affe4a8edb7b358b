import type { Socket } from 'node:net'
import { BodyReader, type BodySink } from './body-reader.ts'
import { persists } from './connection-options.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import type { FieldNames } from './field-names.ts'
import { type BodyFraming, isRefusal, requestFraming } from './framing.ts'
import type { HeadLimits } from './head-reader.ts'
import { type BodyTaker, InboundRequest } from './inbound-request.ts'
import { BODY_STALLED, HEAD_STALLED, type MessageRefusal } from './refusal.ts'
import { RequestReader } from './request-reader.ts'

/** Max bytes read ahead while a request is in flight. */
const MAX_HELD_BYTES = 64 * 1024
/** Max requests of one connection per turn of the event loop, so that other connections get their turn. */
const MAX_REQUESTS_PER_TURN = 16
/** Max length of a head and a piece of a body together, up to which they are copied into one write. */
const MAX_COPIED_BYTES = 16 * 1024
/** Time after the last response, ms, in which input is discarded: closing a socket with unread bytes resets it. */
const LINGER_MS = 2_000

const DROP: BodyTaker = {
  onRequestBody: () => undefined,
  onRequestEnd: () => undefined,
  onRequestBroken: () => undefined,
}

/** Timeouts, ms; 0 = none. */
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
  /** Called for each request. The next one is read after its response. */
  onRequest(request: InboundRequest): void
  /** Called for malformed input. Returns the whole response; the connection closes after it. */
  onRefusal(refusal: MessageRefusal, seen: RequestReader): string
  /** Called when the connection has closed or was detached. */
  onClosed(): void
}

/**
 * The connection of one client. Reads its requests one after the other, and writes the responses in the same order.
 * Input after a request that is in flight is held unread, up to a limit.
 */
export class InboundConnection implements BodySink {
  readonly socket: Socket
  private readonly options: InboundOptions
  private readonly handler: InboundHandler
  private readonly reader: RequestReader
  private readonly deadline: Deadline
  private request: InboundRequest | null = null
  private taker: BodyTaker | null = null
  /** Whether the response is complete; the body of the request may still be arriving. */
  private isAnswered = false
  /** Received but unread input. */
  private held: Buffer[] = []
  private heldBytes = 0
  private isReading = false
  private isBodyPaused = false
  /** Whether the client has ended its side of the connection. */
  private hasEnded = false
  private isClosing = false
  /** Whether the handler was told of the current request. */
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

  /** Sends the body of the current request to `taker`. */
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

  /**
   * Writes text, one character per byte, and a piece of a body after it, together. Returns false if the socket's buffer
   * is full.
   */
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

  /** Call when the response to `request` is complete. */
  answered(request: InboundRequest): void {
    if (request !== this.request || this.isAnswered) return
    this.isAnswered = true
    if (request.closes) this.closeGently()
    else if (request.body.isDone) this.next()
    else {
      // Discard the rest of the body: the next request follows it.
      this.taker = DROP
      this.isBodyPaused = false
      this.readOn()
    }
  }

  /** Ends the connection in the middle of a response. A Unix socket cannot be reset. */
  breakOff(isFramed: boolean): void {
    if (isFramed || this.socket.localAddress === undefined) this.closeGently()
    else this.socket.resetAndDestroy()
  }

  /** Ends the connection after pending writes; discards further input for `LINGER_MS`. */
  closeGently(): void {
    if (this.isClosing) return
    this.isClosing = true
    this.held = []
    this.socket.end()
    this.socket.resume()
    this.deadline.set(LINGER_MS)
  }

  /** Releases the socket for another protocol. Returns the input after the request. */
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

  /** Reads held input as far as it may be read now. */
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
    // Take no further request from a client that does not read its responses.
    if (this.request === null) return !this.socket.writableNeedDrain
    return !this.request.body.isDone && this.taker !== null && !this.isBodyPaused
  }

  /** Whether a body may be arriving that has no taker yet. */
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
    const body = new BodyReader(framing, this.options.names)
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

  /** Ends the current request, and reads the next one. */
  private next(): void {
    this.request = null
    this.taker = null
    this.isBodyPaused = false
    this.deadline.set(this.options.timeouts.keepAliveMs)
    this.readOn()
  }

  private refuse(refusal: MessageRefusal): void {
    this.write(this.handler.onRefusal(refusal, this.reader), null)
    this.closeGently()
  }

  private readonly onEnd = (): void => {
    this.hasEnded = true
    this.readOn()
  }

  /** Handles the end of the input, once all of it is read: the client may still wait for a response. */
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
