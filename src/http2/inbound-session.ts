import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Deadline } from '../http1/deadlines.ts'
import type { MessageRefusal } from '../http1/refusal.ts'
import { type CloseReason, closeReason } from './close-reason.ts'
import { closeSession, destroySession } from './end-session.ts'
import { INTERNAL_ERROR } from './error-codes.ts'
import type { InboundOptions2 } from './inbound-options.ts'
import { InboundStream, type StreamConnection } from './inbound-stream.ts'
import { type Native, nativeOf } from './native.ts'
import { MAX_FIELDS, readRequestHead } from './request-head.ts'
import { resetStream } from './reset-stream.ts'
import { MAX_SENT_BLOCK_BYTES } from './sent-block.ts'
import { sendShutdownNotice } from './shutdown-notice.ts'

export interface SessionHandler {
  onRequest(stream: InboundStream): void
  /** Called for a request that must be refused; responds to it. */
  onRefusal(stream: InboundStream, refusal: MessageRefusal): void
  /** A stream has closed. */
  onStreamClosed(): void
  /** Called when the connection has closed. `reason`: what the client did wrong; null = nothing. */
  onClosed(reason: CloseReason | null): void
}

const MAX_INT = 2 ** 31 - 1
/** Time for the client to answer a PING, ms. */
const ROUND_TRIP_MS = 1_000
/** Time after the answer to a PING, ms, for requests that were sent before it and came after it: it has priority. */
const OVERTAKEN_MS = 50
/** Time for the client to close its side, or to take something, ms. */
const LINGER_MS = 2_000
const PSEUDO_FIELDS = 8
/** What the size of a field list counts for each field beside name and value. RFC 9113 §6.5.2. */
const FIELD_OVERHEAD = 32

/** The connection of one client that speaks HTTP/2. */
export class InboundSession implements StreamConnection {
  readonly options: InboundOptions2
  readonly native: Native | null
  /** Number of open streams. */
  streams = 0
  private readonly socket: Socket
  private readonly session: ServerHttp2Session
  private readonly handler: SessionHandler
  private readonly deadline: Deadline
  private isDraining = false
  /** The connection closes with its last stream. */
  private isEnding = false
  /** There are no streams any more, and the client has a little time to close its side. */
  private isClosing = false
  private closedFor: CloseReason | null = null

  /** `socket`: connected and, with TLS, secure; what was read of it already is put back with `unshift`. */
  constructor(socket: Socket, options: InboundOptions2, handler: SessionHandler) {
    this.socket = socket
    this.options = options
    this.handler = handler
    this.deadline = options.deadlines.create(() => this.onDeadline())
    this.deadline.set(options.timeouts.headMs)
    const { fieldBytes, startLineBytes, streams } = options.limits
    // Heads up to this are received, so that those beyond the limits get their own answer.
    const maxHeaderListSize = Math.min(MAX_INT, 2 * (fieldBytes + startLineBytes) + MAX_FIELDS * FIELD_OVERHEAD)
    this.session = performServerHandshake(socket as Duplex, {
      settings: { maxConcurrentStreams: streams, maxHeaderListSize, enableConnectProtocol: true },
      maxHeaderListPairs: MAX_FIELDS + PSEUDO_FIELDS,
      maxSendHeaderBlockLength: MAX_SENT_BLOCK_BYTES,
      // Servers may repeat a field that should stand once, as with HTTP/1.1.
      strictSingleValueFields: false,
    })
    this.native = nativeOf(this.session)
    this.session.on('stream', this.onStream)
    this.session.on('error', (error: Error) => {
      this.closedFor ??= closeReason(error)
    })
    this.session.on('goaway', () => this.onGoaway())
    this.session.on('close', () => this.onClose())
    // The client has left: a connection that is closed on one side is of no use in HTTP/2.
    socket.on('end', () => this.destroy())
  }

  get sendWindow(): number {
    return this.session.state.remoteWindowSize ?? 0
  }

  streamClosed(): void {
    this.streams--
    this.handler.onStreamClosed()
    if (this.streams > 0) return
    if (this.isEnding || this.session.destroyed) this.linger()
    else this.deadline.set(this.options.timeouts.keepAliveMs)
  }

  streamStalled(): void {
    const { bytesWritten } = this.socket
    // The reset of the stream is written by then, unless the client takes nothing at all.
    setTimeout(() => {
      if (this.socket.bytesWritten === bytesWritten) this.destroy()
    }, LINGER_MS).unref()
  }

  /**
   * Asks the client to open no more streams. Those that it has opened meanwhile are served, and the connection closes with
   * the last one. RFC 9113 §6.8. Over TLS, and while the client takes nothing, the notice is left out: streams that the client opens
   * before it has the GOAWAY of `close` are not served then, and known to be so.
   */
  drain(): void {
    if (this.isDraining || this.session.closed || this.session.destroyed) return
    this.isDraining = true
    if (!sendShutdownNotice(this.socket)) {
      this.destroy()
      return
    }
    const timer = setTimeout(() => this.close(), ROUND_TRIP_MS)
    this.session.ping(() => {
      clearTimeout(timer)
      setTimeout(() => this.close(), OVERTAKEN_MS)
    })
  }

  /** Closes the connection once its streams have ended. Streams that the client opens meanwhile are refused. */
  close(): void {
    if (this.isEnding || this.session.destroyed) return
    this.isDraining = true
    this.isEnding = true
    closeSession(this.session)
    if (this.streams === 0) this.linger()
  }

  /** Closes the connection at once. */
  destroy(): void {
    destroySession(this.session, this.socket)
  }

  private readonly onStream = (
    stream: ServerHttp2Stream,
    _fields: unknown,
    flags: number,
    raw: readonly string[],
  ): void => {
    try {
      this.begin(stream, raw, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0)
    } catch {
      // An error in the handling of one request must not affect others.
      resetStream(stream, INTERNAL_ERROR)
    }
  }

  private begin(stream: ServerHttp2Stream, raw: readonly string[], isWhole: boolean): void {
    const { names, limits } = this.options
    const head = readRequestHead(raw, isWhole, names, limits.fieldBytes)
    const request = new InboundStream(this, stream, head, isWhole)
    this.streams++
    this.deadline.clear()
    if (head.refusal === null) this.handler.onRequest(request)
    else this.handler.onRefusal(request, head.refusal)
  }

  /**
   * The client opens no more streams, and node:http2 closes the session after the last one. The client may leave its side open, so
   * `linger` limits the wait.
   */
  private onGoaway(): void {
    this.isDraining = true
    this.isEnding = true
    if (this.streams === 0) this.linger()
  }

  private onDeadline(): void {
    // A client that takes nothing can keep a session that is destroyed from closing.
    if (this.isClosing || this.session.destroyed) this.destroy()
    else if (this.streams === 0) this.close()
  }

  private linger(): void {
    this.isClosing = true
    this.deadline.set(LINGER_MS)
  }

  private onClose(): void {
    this.deadline.close()
    this.handler.onClosed(this.closedFor)
  }
}
