import type { Socket } from 'node:net'
import { BodyReader } from './body-reader.ts'
import { ClientOutput } from './client-output.ts'
import { persists } from './connection-options.ts'
import type { Deadline } from './deadlines.ts'
import { watchEnded } from './ended-client.ts'
import { type BodyFraming, isRefusal, requestFraming } from './framing.ts'
import { HeldInput } from './held-input.ts'
import type { InboundHandler, InboundOptions } from './inbound-handler.ts'
import { InboundRequest, type RequestConnection } from './inbound-request.ts'
import { letGo } from './input-buffer.ts'
import { BODY_STALLED, HEAD_STALLED, type MessageRefusal } from './refusal.ts'
import { RequestReader } from './request-reader.ts'
import { RequestTimes } from './request-times.ts'
import type { InputTaker, NextBuffer, SocketInput } from './socket-input.ts'
import { TURN_BYTES, Turn } from './turn.ts'

/** Max bytes read ahead while a request is in flight. */
const MAX_HELD_BYTES = 64 * 1024
/** Max requests of one connection per turn of the event loop, so that other connections get their turn. */
const MAX_REQUESTS_PER_TURN = 16
/** Time after the last response, ms, in which input is discarded: closing a socket with unread bytes resets it. */
const LINGER_MS = 2_000

/**
 * The connection of one client. Reads its requests one after the other, and writes the responses in the same order.
 * Input after a request that is in flight is held unread, up to a limit.
 */
export class InboundConnection implements RequestConnection, InputTaker {
  readonly socket: Socket
  readonly keepAliveLine: string
  private readonly options: InboundOptions
  private readonly handler: InboundHandler
  private readonly input: SocketInput
  private readonly reader: RequestReader
  private readonly output: ClientOutput
  /** For input. */
  private readonly deadline: Deadline
  private readonly times: RequestTimes
  private request: InboundRequest | null = null
  private readonly held = new HeldInput()
  /** The input of `onInput`, as far as it is not read yet; null = none. It follows the held input. */
  private fresh: Buffer | null = null
  private isReading = false
  private readonly turn = new Turn(() => this.readOn())
  /** Whether the client has ended its side of the connection. */
  private hasEnded = false
  private isClosing = false
  private isDetached = false
  /** Whether the handler was told of the current request. */
  private isAnnounced = true

  /** `input`: reads the socket. */
  constructor(socket: Socket, input: SocketInput, options: InboundOptions, handler: InboundHandler) {
    this.socket = socket
    this.input = input
    this.options = options
    this.keepAliveLine = options.keepAliveLine
    this.handler = handler
    this.reader = new RequestReader(options.names, options.limits)
    this.output = new ClientOutput(socket, options.deadlines, options.timeouts.idleBodyMs, () => this.onReady())
    this.deadline = options.deadlines.create(() => this.onDeadline())
    this.times = new RequestTimes(this.deadline, options.timeouts)
    this.times.opened()
    input.taker = this
    socket.on('end', this.onEnd).on('close', this.onClose)
    socket.on('error', () => socket.destroy())
  }

  bodyPaused(): void {
    this.times.bodyPaused()
  }

  bodyAwaited(): void {
    this.times.bodyAwaited()
    this.readOn()
  }

  /** See `SocketWriter.write`; `onClientReady` of the request's owner follows. */
  write(before: string, piece: Buffer | null, after = ''): boolean {
    return this.output.write(before, piece, after)
  }

  /** Call once, when the response to `request` is complete. */
  answered(request: InboundRequest): void {
    if (request !== this.request) return
    if (request.closes) this.closeGently()
    else if (request.body.isDone) this.next()
    else request.discardBody()
  }

  /** Ends the connection after pending writes; discards further input until `lingerMs` after these. 0: if it is idle. */
  closeGently(lingerMs = LINGER_MS): void {
    if (this.isClosing) return
    this.isClosing = true
    this.held.takeAll()
    this.deadline.clear()
    this.output.end(() => {
      if (lingerMs === 0) this.socket.destroy()
      else this.deadline.set(lingerMs)
    })
    this.socket.resume()
  }

  /** Releases the socket for another protocol; `onClosed` follows with its end. Returns the input after the request. */
  detach(): readonly Buffer[] {
    this.deadline.close()
    this.output.release()
    this.isDetached = true
    this.socket.off('end', this.onEnd)
    this.input.release(this.socket)
    this.request = null
    this.holdFresh()
    return this.held.takeAll()
  }

  onInput(bytes: Buffer): NextBuffer {
    if (this.isClosing) return 'shared'
    this.fresh = bytes
    this.readOn()
    return this.request === null || this.request.body.isDone ? 'shared' : 'own'
  }

  private holdFresh(): void {
    if (this.fresh !== null && !this.isClosing) this.held.push(this.fresh)
    this.fresh = null
  }

  /** Reads the input as far as it may be read now, and holds the rest. */
  readOn(): void {
    if (this.isReading || this.isClosing || this.isDetached || this.socket.destroyed) return
    this.isReading = true
    try {
      this.readInput()
    } catch {
      // An error in the handling of one request must not affect others.
      this.socket.destroy()
    }
    this.isReading = false
    this.holdFresh()
    if (this.isClosing) return
    if (this.mustWait) this.socket.pause()
    else if (this.socket.isPaused()) this.socket.resume()
    if (this.hasEnded && this.held.bytes === 0) this.endOfInput()
  }

  private readInput(): void {
    let requests = 0
    while (this.hasInput && this.mayRead) {
      if (this.request === null && ++requests > MAX_REQUESTS_PER_TURN) {
        this.turn.end()
        break
      }
      if (this.held.bytes === 0) this.fresh = this.readChunk(this.fresh as Buffer)
      else {
        const chunk = this.held.shift()
        const rest = this.readChunk(chunk)
        if (rest === null) letGo(chunk)
        else this.held.unshift(rest)
      }
      if (this.request !== null && !this.isAnnounced) this.announce(this.request)
    }
  }

  private get hasInput(): boolean {
    return this.held.bytes > 0 || this.fresh !== null
  }

  /** Reads the beginning of a chunk. Returns the rest; null = none. */
  private readChunk(chunk: Buffer): Buffer | null {
    const at = this.request === null ? this.readHead(chunk) : this.readBody(chunk, this.request)
    return at < chunk.length && !this.isClosing ? chunk.subarray(at) : null
  }

  /** Whether no more input may be received. It is, even if it cannot be read yet, to notice a client that leaves. */
  private get mustWait(): boolean {
    return this.turn.isOver || this.held.bytes >= MAX_HELD_BYTES
  }

  private announce(request: InboundRequest): void {
    this.isAnnounced = true
    this.handler.onRequest(request)
    if (this.hasEnded && this.request === request) this.watchEnded(request)
  }

  /** Watches a client that has ended its side and waits for a response. */
  private watchEnded(request: InboundRequest): void {
    request.owner.onClientEnded()
    watchEnded(this.socket, request, (each) => this.request === each && !this.isClosing)
  }

  private get mayRead(): boolean {
    if (this.isClosing || this.turn.isOver) return false
    // Take no further request from a client that does not read its responses.
    return this.request === null ? !this.output.isFull : this.request.takesBody
  }

  private readHead(chunk: Buffer): number {
    const { reader } = this
    const hadBegun = reader.hasBegun
    const at = reader.read(chunk)
    if (reader.refusal !== null) {
      this.refuse(reader.refusal)
      return chunk.length
    }
    if (!hadBegun && (reader.hasBegun || reader.isDone)) this.times.begun(reader.isDone)
    if (!reader.isDone) return at
    const framing = requestFraming(reader.fields, reader.minor)
    if (isRefusal(framing)) this.refuse(framing)
    else this.begin(framing)
    return at
  }

  private begin(framing: BodyFraming): void {
    const { reader } = this
    const body = new BodyReader(framing, this.options.names)
    this.request = new InboundRequest(this, reader, body, !persists(reader.fields, reader.minor))
    this.isAnnounced = false
    this.times.headRead(!body.isDone)
    reader.begin()
  }

  private readBody(chunk: Buffer, request: InboundRequest): number {
    const { body } = request
    const at = body.read(chunk, 0, request)
    if (body.refusal !== null) {
      this.breakBody(request, body.refusal)
      return chunk.length
    }
    if (!body.isDone) {
      if (!request.bodyIsPaused) this.times.bodyAwaited()
      if (body.framing.kind === 'chunked' && chunk.length >= TURN_BYTES) this.turn.end()
      return at
    }
    this.times.requestRead()
    request.bodyEnded()
    if (request.isAnswered && !this.isClosing) this.next()
    return at
  }

  private breakBody(request: InboundRequest, refusal: MessageRefusal): void {
    request.breakBody(refusal)
    if (request.isAnswered) this.closeGently()
  }

  /** Ends the current request, and reads the next one. */
  private next(): void {
    this.request = null
    this.times.idle()
    this.readOn()
  }

  private refuse(refusal: MessageRefusal): void {
    this.write(this.handler.onRefusal(refusal, this.reader), null)
    this.closeGently()
  }

  private readonly onEnd = (): void => {
    this.hasEnded = true
    const { request } = this
    this.readOn()
    if (request !== null && request === this.request && !this.isClosing) this.watchEnded(request)
  }

  /** Handles the end of the input, once all of it is read: the client may still wait for a response. */
  private endOfInput(): void {
    const { request } = this
    if (request === null) this.closeGently()
    else if (!request.body.isDone) this.socket.destroy()
    else request.closes = true
  }

  private onReady(): void {
    if (this.isClosing) return
    this.request?.owner.onClientReady()
    this.readOn()
  }

  private readonly onClose = (): void => {
    this.deadline.close()
    this.output.closed()
    this.input.closed()
    this.isClosing = true
    const { request } = this
    this.request = null
    if (request !== null && !request.isAnswered) {
      if (!request.body.isDone) request.breakBody(null)
      request.owner.onClientGone()
    }
    this.handler.onClosed()
  }

  private onDeadline(): void {
    if (this.isClosing) this.socket.destroy()
    else if (this.request !== null) this.breakBody(this.request, BODY_STALLED)
    else if (this.reader.hasBegun) this.refuse(HEAD_STALLED)
    else this.closeGently(0)
  }
}
