import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { constants } from 'node:http2'
import { Duplex } from 'node:stream'
import { ChunkedReader } from '../http1/chunked-reader.ts'
import type { Deadline, Deadlines } from '../http1/deadlines.ts'
import { CONTENT_LENGTH, type FieldNames } from '../http1/field-names.ts'
import { Fields } from '../http1/fields.ts'
import { type BodyFraming, isRefusal, NO_BODY, ofLength, UNTIL_CLOSE } from '../http1/framing.ts'
import type { CallConnection, CallFailure, OutboundCall } from '../http1/outbound-call.ts'
import { HEAD_TOO_LARGE, TOO_MANY_INTERIM } from '../http1/refusal.ts'
import { CANCEL, REFUSED_STREAM } from './error-codes.ts'
import { fieldsOf } from './head.ts'
import { freeAfter, type Native, nativeOf } from './native.ts'
import { type OutboundHead, outboundHead } from './outbound-head.ts'
import { fieldObject } from './raw-fields.ts'
import { resetStream } from './reset-stream.ts'
import { StreamWriter } from './stream-writer.ts'
import { acceptedFields } from './web-socket.ts'

/** The connection of a stream. */
export interface OutboundStreamConnection {
  readonly session: ClientHttp2Session
  readonly native: Native | null
  readonly isSecure: boolean
  /** Last stream that the server has accepted, by its GOAWAY; infinity = it has sent none. */
  readonly lastStreamId: number
  /** Whether WebSockets may be opened on it (RFC 8441). */
  readonly opensWebSockets: boolean
  /** The stream has closed. */
  streamClosed(): void
}

export interface OutboundStreamOptions {
  readonly names: FieldNames
  readonly deadlines: Deadlines
  /** Max length of all field lines of a response, or of its trailers. */
  readonly fieldBytes: number
}

/** Max interim responses to one request; no honest server sends more. */
const MAX_INTERIM = 32
const NO_FIELDS = new Fields()
const OWNER = Symbol('owner')

/** A stream of node:http2 with its call. Its listeners are shared functions: closures would cost each request several. */
interface Owned extends ClientHttp2Stream {
  [OWNER]?: OutboundStream
}

/** A stream to a server, which carries one call. */
export class OutboundStream implements CallConnection {
  private readonly connection: OutboundStreamConnection
  private readonly options: OutboundStreamOptions
  private readonly deadline: Deadline
  private call: OutboundCall | null = null
  private stream: Owned | null = null
  private native: Native | null = null
  private writer: StreamWriter | null = null
  private isWebSocket = false
  /** Removes the framing of chunks; null = the body has none. */
  private chunks: ChunkedReader | null = null
  private requestIsWhole = false
  private requestTrailers = ''
  private interims = 0
  private hasResponse = false
  private hasRead = false
  /** Whether the server has ended the response itself, rather than reset the stream. */
  private hasEnded = false
  private trailers: Fields = NO_FIELDS
  private readonly body: { framing: BodyFraming; bytes: number; isBare: boolean } = {
    framing: NO_BODY,
    bytes: 0,
    isBare: true,
  }

  constructor(connection: OutboundStreamConnection, options: OutboundStreamOptions) {
    this.connection = connection
    this.options = options
    this.deadline = options.deadlines.create(() => this.fail({ kind: 'timeout' }))
  }

  begin(call: OutboundCall): void {
    this.call = call
    const { session, isSecure, opensWebSockets } = this.connection
    const head = outboundHead(call.request, isSecure, opensWebSockets)
    const { body } = call.request
    this.isWebSocket = head.isWebSocket
    this.requestIsWhole = body === 'none'
    if (body === 'chunked') this.chunks = new ChunkedReader(this.options.names)
    try {
      this.open(session, head)
      call.handler.onSent()
    } catch (error) {
      this.fail({ kind: 'crashed', error: error as Error })
    }
  }

  private open(session: ClientHttp2Session, { raw, mayHaveTrailers, isWebSocket }: OutboundHead): void {
    const waitForTrailers = mayHaveTrailers && !this.requestIsWhole
    const stream: Owned = session.request(raw, {
      endStream: this.requestIsWhole && !isWebSocket,
      waitForTrailers,
    })
    this.stream = stream
    this.native = nativeOf(stream)
    this.writer = new StreamWriter(stream, ignore)
    stream[OWNER] = this
    stream.push = push
    // Each listener costs an event of its own: others are added when they are needed.
    stream.on('error', ignore).on('close', onClose).on('headers', onHeaders).on('response', onResponse)
    if (!this.requestIsWhole) stream.on('drain', onDrain)
    if (waitForTrailers) stream.on('wantTrailers', onWantTrailers)
  }

  write(piece: Buffer): boolean {
    const { writer, chunks } = this
    if (writer === null || this.isGone || piece.length === 0) return true
    if (chunks === null) return writer.write(piece)
    chunks.read(piece)
    const { runs } = chunks
    let takesMore = true
    for (let i = 0; i < runs.length; i += 2) takesMore = writer.write(piece.subarray(runs[i], runs[i + 1]))
    return takesMore
  }

  endRequest(trailers: string): void {
    this.requestIsWhole = true
    this.requestTrailers = trailers
    if (!this.isGone) this.stream?.end()
  }

  setTimeout(timeoutMs: number): void {
    this.deadline.set(timeoutMs)
  }

  pause(): void {
    this.stream?.pause()
  }

  resume(): void {
    this.stream?.resume()
  }

  /** Resets the stream. */
  destroy(): void {
    this.call = null
    this.deadline.close()
    this.cancel()
  }

  interimReceived(status: number, raw: readonly string[]): void {
    const fields = this.fieldsOf(raw)
    if (++this.interims > MAX_INTERIM) this.fail({ kind: 'nonsense', refusal: TOO_MANY_INTERIM })
    else if (fields !== null) this.call?.handler.onInterim(status, fields)
  }

  responseReceived(status: number, isWhole: boolean, raw: readonly string[]): void {
    const { call, stream } = this
    if (call === null || stream === null) return
    const fields = this.fieldsOf(raw)
    if (fields === null) return
    this.hasResponse = true
    if (this.isWebSocket && status >= 200 && status < 300 && !isWhole) this.becomeTunnel(call, stream, raw)
    else {
      this.body.framing = framingOf(fields, call.request.method, status, isWhole)
      call.handler.onResponse({ status, version: '2.0', reason: null, fields, body: this.body })
      if (call !== this.call) return
      if (isWhole) {
        this.hasEnded = true
        this.complete()
      } else {
        stream.on('data', onData).on('trailers', onTrailers).on('end', onEnd)
        // A head that comes without a body is passed on at once.
        setImmediate(flushHead, stream)
      }
    }
  }

  /** All that has come of the response so far was delivered. */
  flushed(): void {
    if (!this.hasRead) this.call?.handler.onRead()
  }

  received(piece: Buffer): void {
    const { call } = this
    if (call === null) return
    this.hasRead = true
    this.body.bytes += piece.length
    call.handler.onResponseBody(piece)
    if (call === this.call) call.handler.onRead()
  }

  trailersReceived(raw: readonly string[]): void {
    this.trailers = this.fieldsOf(raw) ?? NO_FIELDS
  }

  /** Notes that the server has ended its side of the stream. */
  noteEnd(): void {
    this.hasEnded = true
  }

  drained(): void {
    this.call?.handler.onServerReady()
  }

  inputEnded(): void {
    if (this.hasEnded) this.complete()
  }

  closed(): void {
    this.connection.streamClosed()
    const { stream, call } = this
    if (stream?.writableFinished === false) freeAfter(this.connection.native, this.native)
    if (call === null || stream === null) return
    if (this.hasEnded && this.hasResponse) this.complete()
    else this.fail(this.failureOf(stream))
  }

  sendTrailers(): void {
    if (!this.isGone) this.stream?.sendTrailers(fieldObject(this.requestTrailers))
  }

  fail(failure: CallFailure): void {
    const { call } = this
    this.destroy()
    if (call?.finish()) call.handler.onFailed(failure)
  }

  private get isGone(): boolean {
    return this.stream === null || this.stream.destroyed || this.stream.closed
  }

  /** Returns the fields of a head or of trailers. Fails the call if they are too large, and returns null. */
  private fieldsOf(raw: readonly string[]): Fields | null {
    const { names, fieldBytes } = this.options
    const fields = fieldsOf(raw, names)
    // node:http2 keeps to the limit that it has announced only once the server has confirmed it.
    if (fields.text.length <= fieldBytes) return fields
    this.fail({ kind: 'nonsense', refusal: HEAD_TOO_LARGE })
    return null
  }

  /** Ends the call at the end of the response. What the server does not want of the request is not sent. */
  private complete(): void {
    const { call } = this
    if (call === null) return
    this.call = null
    this.deadline.close()
    if (!this.requestIsWhole || this.writer?.isPending === true) this.cancel()
    if (call.finish()) call.handler.onResponseEnd(this.trailers)
  }

  private cancel(): void {
    if (this.stream !== null) resetStream(this.stream, CANCEL)
  }

  private becomeTunnel(call: OutboundCall, stream: Owned, raw: readonly string[]): void {
    this.call = null
    this.deadline.close()
    stream.off('drain', onDrain)
    const fields = acceptedFields(raw, call.request.lines, this.options.names)
    if (call.finish()) call.handler.onUpgrade({ status: 101, version: '2.0', reason: null, fields }, stream, [])
  }

  private failureOf(stream: Owned): CallFailure {
    const { session, lastStreamId } = this.connection
    const { id, rstCode } = stream
    // Without an id, nothing of the request was sent.
    const isRefused = id === undefined || id > lastStreamId || rstCode === REFUSED_STREAM
    if (isRefused && !this.hasResponse) return { kind: 'refused' }
    const kind = this.hasResponse ? 'incomplete' : 'closed'
    // A stream that ends with its connection has no code of its own.
    return session.destroyed ? { kind, error: null } : { kind, error: null, reset: rstCode }
  }
}

/** The framing of a response. `isWhole`: no body follows its head. RFC 9113 §8.1. */
function framingOf(fields: Fields, method: string, status: number, isWhole: boolean): BodyFraming {
  if (isWhole || method === 'HEAD' || status === 204 || status === 304) return NO_BODY
  if (!fields.has(CONTENT_LENGTH)) return UNTIL_CLOSE
  const framing = ofLength(fields)
  // node:http2 has refused a Content-Length that is none.
  return isRefusal(framing) ? UNTIL_CLOSE : framing
}

function ignore(): void {
  // `close` follows.
}

/** Calls a method of a stream's owner. An error in the handling of one call must not affect others. */
function tell(stream: Owned, act: (owner: OutboundStream) => void): void {
  const owner = stream[OWNER]
  if (owner === undefined) return
  try {
    act(owner)
  } catch (error) {
    owner.fail({ kind: 'crashed', error: error as Error })
  }
}

/**
 * `push` of a stream: node:http2 ends the readable side both when the server ends it and when the server resets the stream
 * without an error; in the second case the stream has closed before. A response that was cut must not pass for a whole one.
 */
function push(this: Owned, chunk: unknown, encoding?: BufferEncoding): boolean {
  if (chunk === null && !this.closed) this[OWNER]?.noteEnd()
  return Duplex.prototype.push.call(this, chunk, encoding)
}

const drained = (owner: OutboundStream): void => owner.drained()
const inputEnded = (owner: OutboundStream): void => owner.inputEnded()
const sendTrailers = (owner: OutboundStream): void => owner.sendTrailers()
const closed = (owner: OutboundStream): void => owner.closed()
const flushed = (owner: OutboundStream): void => owner.flushed()

function flushHead(stream: Owned): void {
  tell(stream, flushed)
}

function onHeaders(this: Owned, fields: { ':status'?: number }, _flags: number, raw: readonly string[]): void {
  tell(this, (owner) => owner.interimReceived(Number(fields[':status']), raw))
}

function onResponse(this: Owned, fields: { ':status'?: number }, flags: number, raw: readonly string[]): void {
  const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
  tell(this, (owner) => owner.responseReceived(Number(fields[':status']), isWhole, raw))
}

function onTrailers(this: Owned, _fields: unknown, _flags: number, raw: readonly string[]): void {
  tell(this, (owner) => owner.trailersReceived(raw))
}

function onData(this: Owned, piece: Buffer): void {
  tell(this, (owner) => owner.received(piece))
}

function onEnd(this: Owned): void {
  tell(this, inputEnded)
}

function onDrain(this: Owned): void {
  tell(this, drained)
}

function onWantTrailers(this: Owned): void {
  tell(this, sendTrailers)
}

function onClose(this: Owned): void {
  tell(this, closed)
}
