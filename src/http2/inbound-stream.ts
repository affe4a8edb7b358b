import type { ServerHttp2Stream } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { Deadline } from '../http1/deadlines.ts'
import { Fields } from '../http1/fields.ts'
import type { BodyFraming } from '../http1/framing.ts'
import { type BodyTaker, NO_OWNER, type RequestOwner, type ResponseBody } from '../http1/inbound-request.ts'
import { keep, letGo } from '../http1/input-buffer.ts'
import { BODY_STALLED, type MessageRefusal, TRAILERS_TOO_LARGE } from '../http1/refusal.ts'
import { CANCEL, INTERNAL_ERROR, NO_ERROR } from './error-codes.ts'
import { fieldsOf } from './head.ts'
import type { InboundOptions2 } from './inbound-options.ts'
import { freeAfter, type Native, nativeOf } from './native.ts'
import { type LimitedOutput, OutputLimit } from './output-limit.ts'
import { appendFields, fieldObject } from './raw-fields.ts'
import type { RequestHead2 } from './request-head.ts'
import { resetStream } from './reset-stream.ts'
import { StreamWriter } from './stream-writer.ts'

/** The connection of a stream. */
export interface StreamConnection {
  readonly options: InboundOptions2
  readonly native: Native | null
  /** See `LimitedOutput`. */
  readonly sendWindow: number
  /** The stream has closed. */
  streamClosed(stream: InboundStream): void
  /** The client has taken nothing of a response for too long. */
  streamStalled(stream: InboundStream): void
}

const NO_FIELDS = new Fields()
const MAX_TRAILER_BYTES = 16 * 1024
/** Max bytes of a response that wait for its head. */
const MAX_EARLY_BYTES = 32 * 1024
const OWNER = Symbol('owner')

/** A stream of node:http2 with its request. Its listeners are shared functions: closures would cost each request several. */
interface Owned extends ServerHttp2Stream {
  [OWNER]?: InboundStream
}

/** One request of a client over HTTP/2, with the functions to respond to it. */
export class InboundStream implements LimitedOutput {
  readonly version = '2.0'
  /** Bodies are sent without chunks. */
  readonly takesChunks = false
  readonly method: string
  readonly target: string
  readonly fields: Fields
  readonly body: { readonly framing: BodyFraming; bytes: number }
  owner: RequestOwner = NO_OWNER
  /** The connection is shared with other requests, so it stays open whatever becomes of this one. */
  closes = false
  isComplete: boolean
  /** Whether the request must become a WebSocket: any other success means nothing to the client. */
  readonly mustSwitch: boolean
  private readonly connection: StreamConnection
  private readonly stream: Owned
  private readonly native: Native | null
  private readonly writer: StreamWriter
  private taker: BodyTaker | null = null
  private trailers: Fields = NO_FIELDS
  private brokenFor: MessageRefusal | null = null
  private isPaused = false
  /** The head of the response until it is sent; null = there is none yet, or it was sent. */
  private head: string[] | null = null
  private headIsSent = false
  private hasResponseBody = false
  /** Pieces of the response that wait for the head. */
  private early: Buffer[] = []
  private earlyBytes = 0
  private responseTrailers = ''
  private isAnswered = false
  private isClosed = false
  /** Whether `onClientReady` is still to come. */
  private awaitsDrain = false
  /** The code to reset the stream with once all that was written is sent; null = it is not to be reset. */
  private resetCode: number | null = null
  /** Created when one is needed. */
  private inputDeadline: Deadline | null = null
  private outputLimit: OutputLimit | null = null
  /** End of `requestMs`, monotonic ms. */
  private readonly endsAt: number

  constructor(connection: StreamConnection, stream: ServerHttp2Stream, head: RequestHead2, isWhole: boolean) {
    this.connection = connection
    this.stream = stream
    this.native = nativeOf(stream)
    this.method = head.method
    this.target = head.target
    this.fields = head.fields
    this.body = { framing: head.framing, bytes: 0 }
    this.mustSwitch = head.webSocketKey !== ''
    this.isComplete = isWhole || this.mustSwitch
    this.writer = new StreamWriter(stream, () => this.onAllSent())
    const { requestMs } = connection.options.timeouts
    this.endsAt = requestMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + requestMs
    this.stream[OWNER] = this
    // Each listener costs an event of its own: others are added when they are needed.
    stream.on('error', ignore).on('close', onClose)
    if (this.isComplete) return
    // Without it, a reset without an error would be noticed only once the body was read.
    stream.on('aborted', onAborted)
    // They may arrive before the body is taken, while a connection to the server is being opened.
    stream.on('trailers', onTrailers)
    this.limitInput(0)
  }

  /** Sends the body to `taker`, including what has arrived so far. */
  takeBody(taker: BodyTaker): void {
    this.taker = taker
    if (this.brokenFor !== null) taker.onRequestBroken(this.brokenFor)
    else if (this.isComplete) taker.onRequestEnd(this.trailers)
    else {
      this.stream.on('data', onData).on('end', onEnd)
      this.limitInput(this.connection.options.timeouts.idleBodyMs)
    }
  }

  pauseBody(): void {
    if (this.isComplete || this.isPaused) return
    this.isPaused = true
    this.stream.pause()
    this.limitInput(0)
  }

  resumeBody(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.limitInput(this.connection.options.timeouts.idleBodyMs)
    this.stream.resume()
  }

  /** Sends an interim response. `lines`: its field lines. */
  interim(status: number, lines: string): void {
    if (this.canSend && !this.headIsSent) this.stream.additionalHeaders({ ':status': status, ...fieldObject(lines) })
  }

  /** Sets the head of the response; see `ClientStream`. */
  respond(status: number, _reason: string | null, lines: string, body: ResponseBody): void {
    // node:http2 sends no other status; to a client, an unknown one is that of its class (RFC 9110 §15).
    this.head = [':status', String(status > 599 ? 500 : status)]
    appendFields(this.head, lines)
    this.hasResponseBody = body !== 'none'
  }

  /** Sends the head if it was not sent yet. A head without a body goes with the end. */
  flush(): void {
    if (!this.headIsSent && this.hasResponseBody) this.sendHead({ waitForTrailers: true })
  }

  /** Sends a piece of the body. Returns false if the caller must wait for `onClientReady`. */
  write(piece: Buffer): boolean {
    if (piece.length === 0 || !this.canSend) return true
    if (!this.headIsSent) {
      this.early.push(keep(piece))
      this.earlyBytes += piece.length
      if (this.earlyBytes < MAX_EARLY_BYTES) return true
      this.flush()
      return !this.awaitsDrain
    }
    const takesMore = this.writer.write(piece)
    if (!takesMore) this.awaitDrain()
    return takesMore
  }

  /** Completes the response. `trailers`: field lines. */
  end(trailers = ''): void {
    if (this.isAnswered) return
    this.isAnswered = true
    this.responseTrailers = trailers
    if (!this.canSend) return
    if (this.headIsSent) this.stream.end()
    else this.sendWhole(trailers)
    this.limitOutput()
    // The client need not send the rest of the body. RFC 9113 §8.1.
    if (!this.isComplete) this.discardBody()
  }

  /** Takes the rest of the body no more, and tells the client so once the response is sent. */
  private discardBody(): void {
    this.taker = null
    this.inputDeadline?.close()
    this.stream.once('finish', onFinish)
    this.stream.resume()
  }

  /** Breaks the response off, so that the client does not take it for complete. `reset`: the code to do so with. */
  breakOff(reset = INTERNAL_ERROR): void {
    this.isAnswered = true
    if (!this.canSend) return
    this.flush()
    this.resetCode = reset === NO_ERROR ? INTERNAL_ERROR : reset
    if (!this.writer.isPending) this.reset(this.resetCode)
    else this.limitOutput()
  }

  /** Resets the stream at once. */
  destroy(): void {
    this.reset(INTERNAL_ERROR)
  }

  /** Answers with the switch to a WebSocket. `lines`: those of the server's response. */
  switchProtocols(lines: string): { readonly socket: Duplex; readonly early: readonly Buffer[] } {
    this.isAnswered = true
    this.inputDeadline?.close()
    const head = [':status', '200']
    appendFields(head, lines, 'sec-websocket-accept')
    if (this.canSend) this.stream.respond(head)
    return { socket: this.stream, early: [] }
  }

  /** Resets the stream, unless it has closed. Without a whole response, `onClientGone` follows. */
  reset(code: number): void {
    this.letGoOfEarly()
    resetStream(this.stream, code)
  }

  /** A piece of the body has arrived. */
  received(piece: Buffer): void {
    this.body.bytes += piece.length
    this.limitInput(this.connection.options.timeouts.idleBodyMs)
    this.taker?.onRequestBody(piece)
  }

  trailersReceived(raw: readonly string[]): void {
    const trailers = fieldsOf(raw, this.connection.options.names)
    if (trailers.text.length > MAX_TRAILER_BYTES) this.breakBody(TRAILERS_TOO_LARGE)
    else this.trailers = trailers
  }

  /** The input has ended: with the body, or because the stream was reset. */
  inputEnded(): void {
    if (this.stream.aborted || this.isComplete || this.brokenFor !== null) return
    this.isComplete = true
    this.inputDeadline?.close()
    this.taker?.onRequestEnd(this.trailers)
  }

  get isHandedOver(): boolean {
    return this.isAnswered && !this.writer.isPending
  }

  get sendWindow(): number {
    return this.connection.sendWindow
  }

  onStalled(): void {
    this.connection.streamStalled(this)
    this.reset(CANCEL)
  }

  drained(): void {
    this.awaitsDrain = false
    if (this.isAnswered) {
      this.limitOutput()
      return
    }
    this.outputLimit?.clear()
    this.owner.onClientReady()
  }

  /** The response is sent; the client may go on sending its body. */
  finished(): void {
    // The end of the response must leave before the reset, which would overtake it.
    setImmediate(() => setImmediate(() => this.reset(NO_ERROR)))
  }

  closed(): void {
    this.isClosed = true
    if (!this.stream.writableFinished) freeAfter(this.connection.native, this.native)
    this.inputDeadline?.close()
    this.outputLimit?.close()
    this.letGoOfEarly()
    this.connection.streamClosed(this)
    if (this.isAnswered) return
    this.isAnswered = true
    if (!this.isComplete) this.taker?.onRequestBroken(null)
    this.owner.onClientGone()
  }

  private get canSend(): boolean {
    return !this.isClosed && !this.stream.closed && !this.stream.destroyed
  }

  private sendHead(options: { readonly waitForTrailers?: boolean; readonly endStream?: boolean }): void {
    const { head, early } = this
    if (head === null || !this.canSend) return
    this.head = null
    this.headIsSent = true
    this.stream.respond(head, options)
    if (options.waitForTrailers === true) this.stream.on('wantTrailers', onWantTrailers)
    this.early = []
    let takesMore = true
    for (const piece of early) takesMore = this.writer.writeKept(piece)
    if (!takesMore) this.awaitDrain()
  }

  /** Sends a response that has ended before anything of it was sent. */
  private sendWhole(trailers: string): void {
    const hasMore = this.early.length > 0 || trailers !== ''
    this.sendHead(hasMore ? { waitForTrailers: trailers !== '' } : { endStream: true })
    if (hasMore) this.stream.end()
  }

  sendTrailers(): void {
    if (this.canSend) this.stream.sendTrailers(fieldObject(this.responseTrailers))
  }

  private onAllSent(): void {
    if (this.resetCode !== null) this.reset(this.resetCode)
  }

  private letGoOfEarly(): void {
    for (const piece of this.early) letGo(piece)
    this.early = []
  }

  /** Limits the time until the next piece of the body (0 = no limit), but to no later than the end of `requestMs`. */
  private limitInput(idleMs: number): void {
    const leftMs = this.endsAt === Number.POSITIVE_INFINITY ? 0 : Math.max(1, this.endsAt - performance.now())
    const timeoutMs = idleMs === 0 || leftMs === 0 ? idleMs + leftMs : Math.min(idleMs, leftMs)
    if (timeoutMs === 0 && this.inputDeadline === null) return
    this.inputDeadline ??= this.connection.options.deadlines.create(() => this.onInputStalled())
    this.inputDeadline.set(timeoutMs)
  }

  private onInputStalled(): void {
    // While the server answers, its own timeout says how long both may be silent.
    if (this.headIsSent && this.endsAt === Number.POSITIVE_INFINITY) return
    this.breakBody(BODY_STALLED)
  }

  /** The rest of the body is not taken. */
  private breakBody(refusal: MessageRefusal): void {
    if (this.isComplete) return
    this.brokenFor = refusal
    this.taker?.onRequestBroken(refusal)
  }

  /** The client must take what was written before more is. */
  private awaitDrain(): void {
    this.limitOutput()
    if (this.awaitsDrain) return
    this.awaitsDrain = true
    this.stream.once('drain', onDrain)
  }

  private limitOutput(): void {
    const { timeouts, deadlines } = this.connection.options
    this.outputLimit ??= new OutputLimit(this, timeouts.idleBodyMs, deadlines)
    this.outputLimit.set()
  }
}

function ignore(): void {
  // `close` follows.
}

/** Calls a method of a stream's owner. An error in the handling of one request must not affect others. */
function tell(stream: Owned, act: (owner: InboundStream) => void): void {
  const owner = stream[OWNER]
  if (owner === undefined) return
  try {
    act(owner)
  } catch {
    owner.destroy()
  }
}

const aborted = (owner: InboundStream): void => owner.reset(CANCEL)
const drained = (owner: InboundStream): void => owner.drained()
const inputEnded = (owner: InboundStream): void => owner.inputEnded()
const finished = (owner: InboundStream): void => owner.finished()
const sendTrailers = (owner: InboundStream): void => owner.sendTrailers()
const closed = (owner: InboundStream): void => owner.closed()

function onData(this: Owned, piece: Buffer): void {
  tell(this, (owner) => owner.received(piece))
}

function onTrailers(this: Owned, _fields: unknown, _flags: number, raw: readonly string[]): void {
  tell(this, (owner) => owner.trailersReceived(raw))
}

function onAborted(this: Owned): void {
  tell(this, aborted)
}

function onEnd(this: Owned): void {
  tell(this, inputEnded)
}

function onDrain(this: Owned): void {
  tell(this, drained)
}

function onFinish(this: Owned): void {
  tell(this, finished)
}

function onWantTrailers(this: Owned): void {
  tell(this, sendTrailers)
}

function onClose(this: Owned): void {
  tell(this, closed)
}
