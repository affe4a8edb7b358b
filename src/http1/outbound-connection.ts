import type { Socket } from 'node:net'
import { BodyReader, type BodySink } from './body-reader.ts'
import { hasConnectionOption, keepAliveHint, offers, persists } from './connection-options.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import type { FieldNames } from './field-names.ts'
import { CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE } from './field-names.ts'
import type { Fields } from './fields.ts'
import { type BodyFraming, isRefusal, responseFraming } from './framing.ts'
import type { HeadLimits } from './head-reader.ts'
import { requestHead } from './head-text.ts'
import { HeldInput } from './held-input.ts'
import { http1Version } from './http-version.ts'
import { letGo } from './input-buffer.ts'
import type { CallConnection, CallFailure, OutboundCall } from './outbound-call.ts'
import { readToEnd } from './read-to-end.ts'
import { type MessageRefusal, TOO_MANY_INTERIM, UNASKED_UPGRADE } from './refusal.ts'
import { ResponseReader } from './response-reader.ts'
import type { InputTaker, NextBuffer, SocketInput } from './socket-input.ts'
import { SocketWriter } from './socket-writer.ts'
import { TURN_BYTES, Turn } from './turn.ts'

const SWITCHING_PROTOCOLS = 101
/** Max interim responses to one request; no honest server sends more. */
const MAX_INTERIM = 32

export interface OutboundOptions {
  readonly names: FieldNames
  readonly limits: HeadLimits
  readonly deadlines: Deadlines
}

/** Owner of connections: keeps free ones, and drops closed ones. */
export interface ConnectionKeeper {
  /**
   * The connection can take another call. `hintMs`: time for which the server says it keeps it idle; null = not stated.
   */
  onFree(connection: OutboundConnection, hintMs: number | null): void
  onClosed(connection: OutboundConnection): void
}

/** A connection to a server, which carries one call after the other. */
export class OutboundConnection implements BodySink, CallConnection, InputTaker {
  readonly socket: Socket
  /** End of the last call on it, monotonic ms. */
  idleSince = 0
  private readonly options: OutboundOptions
  private readonly keeper: ConnectionKeeper
  private readonly input: SocketInput
  private readonly reader: ResponseReader
  private readonly writer: SocketWriter
  private readonly deadline: Deadline
  private call: OutboundCall | null = null
  private body: BodyReader | null = null
  private requestIsWhole = false
  private interims = 0
  private persists = false
  private hintMs: number | null = null
  /** Input received while the call was paused. */
  private readonly held = new HeldInput()
  private isPaused = false
  /** Whether the server has ended its side of the connection. */
  private hasEnded = false
  private readonly turn = new Turn(() => {
    if (!this.isPaused) this.socket.resume()
  })
  /** The head of the request, until it is written. */
  private head = ''
  private error: Error | null = null
  /** Lets a failed write end the connection again. */
  private readonly endReading: () => void

  constructor(socket: Socket, input: SocketInput, options: OutboundOptions, keeper: ConnectionKeeper) {
    this.socket = socket
    this.input = input
    this.options = options
    this.keeper = keeper
    this.reader = new ResponseReader(options.names, options.limits)
    this.writer = new SocketWriter(socket, () => this.call?.handler.onServerReady())
    this.deadline = options.deadlines.create(() => this.fail({ kind: 'timeout' }))
    input.taker = this
    this.endReading = readToEnd(socket)
    socket.on('end', this.onEnd).on('close', this.onClose)
    socket.on('error', this.onError)
  }

  begin(call: OutboundCall): void {
    this.call = call
    this.requestIsWhole = call.request.body === 'none'
    this.interims = 0
    this.reader.begin()
    this.head = requestHead(call.request)
    try {
      call.handler.onSent()
    } catch (error) {
      this.fail({ kind: 'crashed', error: error as Error })
    }
    // The head leaves together with the first piece of the body, if that is there: it is read in this turn.
    if (this.requestIsWhole) this.sendHead()
    else process.nextTick(this.sendHead)
  }

  private readonly sendHead = (): void => {
    if (this.call !== null) this.writer.write(this.takeHead())
  }

  write(piece: Buffer): boolean {
    if (this.call?.request.body !== 'unknown') return this.writer.write(this.takeHead(), piece)
    if (piece.length === 0) return true
    return this.writer.write(`${this.takeHead()}${piece.length.toString(16)}\r\n`, piece, '\r\n')
  }

  endRequest(trailers: string): void {
    this.requestIsWhole = true
    const body = this.call?.request.body
    const isChunked = body === 'chunked' || body === 'unknown'
    this.writer.write(this.takeHead(), null, isChunked ? `0\r\n${trailers}\r\n` : '')
  }

  setTimeout(timeoutMs: number): void {
    this.deadline.set(timeoutMs)
  }

  pause(): void {
    this.isPaused = true
    this.socket.pause()
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    if (!this.turn.isOver) this.socket.resume()
    while (!this.isPaused && this.held.bytes > 0) {
      const chunk = this.held.shift()
      this.take(chunk)
      letGo(chunk)
    }
    if (this.hasEnded && this.held.bytes === 0) this.endOfInput()
  }

  destroy(): void {
    this.call = null
    this.deadline.close()
    this.socket.destroy()
    this.keeper.onClosed(this)
  }

  /** Whether it can take a call: the socket may be closed already, and not have said so. */
  get isOpen(): boolean {
    return !this.socket.destroyed && !this.socket.readableEnded
  }

  /** The head of the request, to be written with what follows it; empty if it was written. */
  private takeHead(): string {
    const { head } = this
    this.head = ''
    return head
  }

  onBody(piece: Buffer): void {
    this.call?.handler.onResponseBody(piece)
  }

  onInput(bytes: Buffer): NextBuffer {
    this.take(bytes)
    return this.call === null ? 'shared' : 'own'
  }

  private take(chunk: Buffer): void {
    try {
      this.read(chunk)
    } catch (error) {
      // An error in the handling of one call must not affect others.
      this.fail({ kind: 'crashed', error: error as Error })
    }
  }

  private read(chunk: Buffer): void {
    if (this.isPaused) {
      this.held.push(chunk)
      return
    }
    const { call } = this
    // Input without a request: the server violates the protocol.
    if (call === null) {
      this.destroy()
      return
    }
    let at = 0
    while (at < chunk.length && this.call === call)
      at = this.body === null ? this.readHead(chunk, at, call) : this.readBody(chunk, at, call, this.body)
    if (this.call !== call) return
    call.handler.onRead()
    if (this.body?.framing.kind === 'chunked' && chunk.length >= TURN_BYTES) {
      this.socket.pause()
      this.turn.end()
    }
  }

  private readHead(chunk: Buffer, start: number, call: OutboundCall): number {
    const { reader } = this
    const at = start + reader.read(chunk, start)
    if (reader.refusal !== null) return this.refuse(reader.refusal, chunk)
    if (!reader.isDone) return at
    const { status, minor, reason, fields } = reader
    if (status === SWITCHING_PROTOCOLS) return this.switchProtocols(chunk, at, call)
    if (status < 200) {
      if (++this.interims > MAX_INTERIM) return this.refuse(TOO_MANY_INTERIM, chunk)
      reader.begin()
      call.handler.onInterim(status, fields)
      return at
    }
    const framing = responseFraming(fields, status, minor, call.request.method === 'HEAD')
    if (isRefusal(framing)) return this.refuse(framing, chunk)
    this.persists = framing.kind !== 'close' && persists(fields, minor) && !mayBeFollowed(call, fields, framing)
    this.hintMs = keepAliveHint(fields)
    const body = new BodyReader(framing, this.options.names)
    this.body = body
    call.handler.onResponse({ status, version: http1Version(minor), reason, fields, body })
    if (call === this.call && body.isDone) this.end(call, at < chunk.length)
    return at
  }

  private readBody(chunk: Buffer, start: number, call: OutboundCall, body: BodyReader): number {
    const at = body.read(chunk, start, this)
    if (this.call !== call) return chunk.length
    if (body.refusal !== null) return this.refuse(body.refusal, chunk)
    if (body.isDone) this.end(call, at < chunk.length)
    return at
  }

  /** Ends the call at the end of the response. `hasMore`: input follows that no request asked for. */
  private end(call: OutboundCall, hasMore: boolean): void {
    const { body, requestIsWhole } = this
    this.call = null
    this.body = null
    if (this.isPaused) {
      this.isPaused = false
      this.socket.resume()
    }
    this.deadline.clear()
    this.idleSince = performance.now()
    if (this.persists && requestIsWhole && !hasMore && this.held.bytes === 0) this.keeper.onFree(this, this.hintMs)
    else this.socket.destroy()
    if (call.finish() && body !== null) call.handler.onResponseEnd(body.trailers)
  }

  private switchProtocols(chunk: Buffer, at: number, call: OutboundCall): number {
    const { status, minor, reason, fields } = this.reader
    const { upgrade } = call.request
    const isAsked = offers(upgrade, fields.joined(UPGRADE)) && hasConnectionOption(fields, 'upgrade')
    if (!isAsked || !this.requestIsWhole) return this.refuse(UNASKED_UPGRADE, chunk)
    this.call = null
    this.deadline.close()
    this.writer.release()
    this.endReading()
    this.socket.off('end', this.onEnd).off('close', this.onClose)
    this.input.release(this.socket)
    this.keeper.onClosed(this)
    const early = at < chunk.length ? [Buffer.from(chunk.subarray(at))] : []
    if (call.finish())
      call.handler.onUpgrade({ status, version: http1Version(minor), reason, fields }, this.socket, early)
    return chunk.length
  }

  private refuse(refusal: MessageRefusal, chunk: Buffer): number {
    this.fail({ kind: 'nonsense', refusal })
    return chunk.length
  }

  private fail(failure: CallFailure): void {
    const { call } = this
    this.destroy()
    if (call?.finish()) call.handler.onFailed(failure)
  }

  private readonly onEnd = (): void => {
    this.hasEnded = true
    if (this.held.bytes === 0) this.endOfInput()
  }

  private endOfInput(): void {
    const { call, body } = this
    if (call === null) this.destroy()
    else if (body?.end() === true) {
      this.persists = false
      this.end(call, false)
    } else this.fail({ kind: body === null ? 'closed' : 'incomplete', error: null })
  }

  private readonly onError = (error: Error): void => {
    this.error ??= error
  }

  private readonly onClose = (): void => {
    this.deadline.close()
    this.input.closed()
    this.keeper.onClosed(this)
    if (this.call === null || (this.hasEnded && this.held.bytes > 0)) return
    this.fail({ kind: this.body === null ? 'closed' : 'incomplete', error: this.error })
  }
}

/** Whether a server may send a body that must not be there: what it sends next could be that body. */
function mayBeFollowed({ request }: OutboundCall, fields: Fields, { kind }: BodyFraming): boolean {
  if (kind !== 'none' || request.method === 'HEAD') return false
  return fields.has(TRANSFER_ENCODING) || (fields.has(CONTENT_LENGTH) && fields.joined(CONTENT_LENGTH) !== '0')
}
