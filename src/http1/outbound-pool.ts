import type { Socket } from 'node:net'
import type { OutboundCall } from './outbound-call.ts'
import { type ConnectionKeeper, OutboundConnection, type OutboundOptions } from './outbound-connection.ts'
import { SocketInput } from './socket-input.ts'

/** Time by which a connection is closed before the server's stated timeout, ms. */
const HINT_MARGIN_MS = 1_000
/**
 * Max idle time of a connection, ms, for a request that cannot be retried, if the server does not state its timeout:
 * the server may close a connection that was idle for longer just as it is used. A retryable request is then sent
 * again; any other would fail.
 */
const SURELY_ALIVE_MS = 500

/** Opens connections to one server. */
export interface Opener {
  /** Starts a connection that is read by `input`; the socket emits `readyEvent` or `error`. */
  connect(input: SocketInput): Socket
  readonly readyEvent: string
}

export interface PoolOptions extends OutboundOptions {
  /** Max time to connect, ms; 0 = unlimited. */
  readonly connectMs: number
  /** Time for which an idle connection is kept, ms; 0 = one call per connection. */
  readonly keepAliveMs: number
  /** Creates the error for a connection that took longer than `connectMs`. */
  readonly connectTimeout: () => Error
}

interface Idle {
  readonly connection: OutboundConnection
  /** Time at which it is closed, monotonic ms. */
  readonly expiresAt: number
  /** Whether the server has stated how long it keeps the connection. */
  readonly isHinted: boolean
}

/** The connections to one server. Idle ones are reused, the most recently used first. */
export class OutboundPool implements ConnectionKeeper {
  private readonly opener: Opener
  private readonly options: PoolOptions
  /** The longest idle first. */
  private readonly idle: Idle[] = []
  private isClosed = false
  /** Connections that are open, or being opened. */
  private connections = 0
  private sweeper: NodeJS.Timeout | null = null

  constructor(opener: Opener, options: PoolOptions) {
    this.opener = opener
    this.options = options
  }

  /**
   * Sends a call's request on an idle connection, or on a new one. `isSure`: avoid connections that the server may be
   * closing.
   */
  start(call: OutboundCall, isSure: boolean): void {
    const connection = this.take(isSure)
    if (connection === null) this.open(call)
    else call.start(connection)
  }

  /** Whether a connection is open, or being opened. */
  get hasConnections(): boolean {
    return this.connections > 0
  }

  /** Closes idle connections now, and the others when their calls end. */
  close(): void {
    this.isClosed = true
    for (const { connection } of this.idle.splice(0)) connection.destroy()
    this.stopSweeping()
  }

  onFree(connection: OutboundConnection, hintMs: number | null): void {
    const { keepAliveMs } = this.options
    const keepMs = hintMs === null ? keepAliveMs : Math.min(keepAliveMs, hintMs - HINT_MARGIN_MS)
    if (this.isClosed || keepMs <= 0) {
      connection.destroy()
      return
    }
    this.idle.push({ connection, expiresAt: connection.idleSince + keepMs, isHinted: hintMs !== null })
    this.sweeper ??= setInterval(() => this.sweep(), SURELY_ALIVE_MS).unref()
  }

  onClosed(connection: OutboundConnection): void {
    const at = this.idle.findIndex((each) => each.connection === connection)
    if (at >= 0) this.idle.splice(at, 1)
  }

  private take(isSure: boolean): OutboundConnection | null {
    const now = performance.now()
    for (;;) {
      const newest = this.idle.at(-1)
      if (newest === undefined) return null
      const { connection, expiresAt, isHinted } = newest
      const isStale = isSure && !isHinted && now - connection.idleSince >= SURELY_ALIVE_MS
      if (now >= expiresAt || (isStale && connection.isOpen)) return null
      this.idle.pop()
      if (connection.isOpen) return connection
    }
  }

  private open(call: OutboundCall): void {
    const { connectMs, connectTimeout } = this.options
    const input = new SocketInput()
    const socket = this.opener.connect(input)
    this.connections++
    const timer = connectMs === 0 ? undefined : setTimeout(() => socket.destroy(connectTimeout()), connectMs)
    let isWanted = true
    call.awaitConnection(() => {
      isWanted = false
      socket.destroy()
    })
    const fail = (error: Error): void => {
      clearTimeout(timer)
      if (call.finish()) call.handler.onFailed({ kind: 'connect', error })
    }
    // A TLS socket may emit several errors.
    socket.on('error', () => undefined).once('error', fail)
    socket.once('close', () => {
      clearTimeout(timer)
      this.connections--
    })
    socket.once(this.opener.readyEvent, () => {
      clearTimeout(timer)
      socket.off('error', fail)
      if (isWanted) call.start(new OutboundConnection(socket, input, this.options, this))
    })
  }

  private sweep(): void {
    const now = performance.now()
    for (const { connection } of this.idle.filter(({ expiresAt }) => now >= expiresAt)) connection.destroy()
    if (this.idle.length === 0) this.stopSweeping()
  }

  private stopSweeping(): void {
    if (this.sweeper !== null) clearInterval(this.sweeper)
    this.sweeper = null
  }
}
