import { type ClientHttp2Session, type ClientSessionOptions, connect } from 'node:http2'
import type { Socket } from 'node:net'
import type { Deadline } from '../http1/deadlines.ts'
import type { OutboundCall } from '../http1/outbound-call.ts'
import { closeSession, destroySession } from './end-session.ts'
import { type Native, nativeOf } from './native.ts'
import { OutboundStream, type OutboundStreamConnection, type OutboundStreamOptions } from './outbound-stream.ts'
import { MAX_SENT_BLOCK_BYTES } from './sent-block.ts'

export interface OutboundSessionOptions extends OutboundStreamOptions {
  /** Time for which an idle connection is kept, ms; 0 = one call per connection. */
  readonly keepAliveMs: number
}

export interface SessionKeeper {
  /** The server has sent its settings: calls can begin. */
  onReady(session: OutboundSession): void
  /** No more calls can begin. `error`: null = none is known. */
  onGone(session: OutboundSession, error: Error | null): void
}

/** Max number of fields of a response, as for HTTP/1.1, and its pseudo-field. */
const MAX_FIELD_PAIRS = 501
/** What the size of a field list counts for each field beside name and value. RFC 9113 §6.5.2. */
const FIELD_OVERHEAD = 32
/** Bytes of a response that a server may send ahead of the client. */
const STREAM_WINDOW_BYTES = 256 * 1024
/** The same for all responses of a connection: each stream's own window is the limit. */
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024
/** Max streams at once of a server that states no limit. */
const MAX_STREAMS = 1_000
/** Time for a connection that is closed to end, ms. */
const LINGER_MS = 2_000

/** A connection to a server, which carries many calls at once. */
export class OutboundSession implements OutboundStreamConnection {
  readonly session: ClientHttp2Session
  readonly native: Native | null
  readonly isSecure: boolean
  lastStreamId = Number.POSITIVE_INFINITY
  opensWebSockets = false
  /** Number of open streams. */
  active = 0
  isReady = false
  private readonly socket: Socket
  private readonly options: OutboundSessionOptions
  private readonly keeper: SessionKeeper
  private readonly deadline: Deadline
  private capacity = 0
  private isGone = false
  private error: Error | null = null

  /** `socket`: connected and, with TLS, secure. `authority`: the server's address. */
  constructor(
    socket: Socket,
    authority: string,
    isSecure: boolean,
    options: OutboundSessionOptions,
    keeper: SessionKeeper,
  ) {
    this.socket = socket
    this.isSecure = isSecure
    this.options = options
    this.keeper = keeper
    this.deadline = options.deadlines.create(() => this.onDeadline())
    const settings: ClientSessionOptions & { readonly strictSingleValueFields: false } = {
      createConnection: () => socket,
      settings: {
        enablePush: false,
        initialWindowSize: STREAM_WINDOW_BYTES,
        maxHeaderListSize: options.fieldBytes + MAX_FIELD_PAIRS * FIELD_OVERHEAD,
      },
      maxHeaderListPairs: MAX_FIELD_PAIRS,
      maxSendHeaderBlockLength: MAX_SENT_BLOCK_BYTES,
      // Servers may repeat a field that should stand once, as with HTTP/1.1.
      strictSingleValueFields: false,
    }
    this.session = connect(`${isSecure ? 'https' : 'http'}://${authority}`, settings)
    this.native = nativeOf(this.session)
    this.session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    this.session.on('remoteSettings', ({ maxConcurrentStreams, enableConnectProtocol }) => {
      this.capacity = Math.min(MAX_STREAMS, maxConcurrentStreams ?? MAX_STREAMS)
      this.opensWebSockets = enableConnectProtocol === true
      this.noteReady()
    })
    this.session.on('goaway', (_code, lastStreamId) => {
      this.lastStreamId = lastStreamId
      this.gone(null)
      // The server may leave its side open.
      if (this.active === 0) this.idle()
    })
    this.session.on('error', (error: Error) => {
      this.error = error
    })
    this.session.on('close', () => {
      this.deadline.close()
      this.gone(this.error)
    })
    // A server that has ended its side sends no more responses.
    socket.on('end', () => this.destroy())
  }

  get hasRoom(): boolean {
    return this.isReady && this.isOpen && this.active < this.capacity
  }

  get isOpen(): boolean {
    return !this.isGone && !this.session.closed && !this.session.destroyed
  }

  /** Sends a call's request. There must be room for it. */
  start(call: OutboundCall): void {
    this.active++
    this.deadline.clear()
    call.start(new OutboundStream(this, this.options))
  }

  streamClosed(): void {
    this.active--
    if (this.active === 0) this.idle()
  }

  /** Closes the connection once its streams have ended. */
  close(): void {
    if (this.session.closed || this.session.destroyed) return
    this.isGone = true
    closeSession(this.session)
    if (this.active === 0) this.deadline.set(LINGER_MS)
  }

  /** Closes the connection at once. */
  destroy(): void {
    destroySession(this.session, this.socket)
  }

  private noteReady(): void {
    if (this.isReady) return
    this.isReady = true
    this.idle()
    this.keeper.onReady(this)
  }

  private idle(): void {
    const { keepAliveMs } = this.options
    if (!this.isOpen) this.deadline.set(LINGER_MS)
    else if (keepAliveMs === 0) setImmediate(() => this.onDeadline())
    else this.deadline.set(keepAliveMs)
  }

  private onDeadline(): void {
    if (this.active > 0) return
    if (this.session.closed) this.destroy()
    else {
      this.close()
      this.keeper.onGone(this, null)
    }
  }

  private gone(error: Error | null): void {
    if (this.isGone && error === null && !this.session.destroyed) return
    this.isGone = true
    this.keeper.onGone(this, error)
  }
}
