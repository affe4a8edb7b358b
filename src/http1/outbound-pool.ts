import type { Socket } from 'node:net'
import type { OutboundCall } from './outbound-call.ts'
import { type ConnectionKeeper, OutboundConnection, type OutboundOptions } from './outbound-connection.ts'

/** A connection is given up this long before the server said it would close it. */
const HINT_MARGIN_MS = 1_000
/**
 * When a server does not say how long it keeps an idle connection, one that has been idle for longer may be closed by it
 * in the very moment it is used. That costs a request which can be sent again nothing, and any other its answer.
 */
const SURELY_ALIVE_MS = 500

/** Opens connections to one server. */
export interface Opener {
  /** Begins a connection; `readyEvent` or `error` tells how it went. */
  connect(): Socket
  readonly readyEvent: string
}

export interface PoolOptions extends OutboundOptions {
  /** 0 = none. */
  readonly connectMs: number
  /** How long an idle connection is kept; 0 = each takes one call. */
  readonly keepAliveMs: number
  /** The error of a connection that took longer than `connectMs`. */
  readonly connectTimeout: () => Error
}

interface Idle {
  readonly connection: OutboundConnection
  /** Monotonic ms: it is closed then. */
  readonly expiresAt: number
  /** The server has said how long it keeps it. */
  readonly isHinted: boolean
}

/** The connections to one server: those that are idle are used again, the newest first. */
export class OutboundPool implements ConnectionKeeper {
  private readonly opener: Opener
  private readonly options: PoolOptions
  /** Oldest first. */
  private readonly idle: Idle[] = []
  private isClosed = false
  private sweeper: NodeJS.Timeout | null = null

  constructor(opener: Opener, options: PoolOptions) {
    this.opener = opener
    this.options = options
  }

  /** Sends a call's request on an idle connection, or on a new one. `isSure`: it must not meet a connection that is just being closed. */
  start(call: OutboundCall, isSure: boolean): void {
    const connection = this.take(isSure)
    if (connection === null) this.open(call)
    else call.start(connection)
  }

  /** Closes idle connections now, and the others as their calls end. */
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
    const newest = this.idle.at(-1)
    if (newest === undefined) return null
    const now = performance.now()
    const { connection, expiresAt, isHinted } = newest
    if (now >= expiresAt || (isSure && !isHinted && now - connection.idleSince >= SURELY_ALIVE_MS)) return null
    this.idle.pop()
    return connection
  }

  private open(call: OutboundCall): void {
    const { connectMs, connectTimeout } = this.options
    const socket = this.opener.connect()
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
    // One of TLS may have several.
    socket.on('error', () => undefined).once('error', fail)
    socket.once('close', () => clearTimeout(timer))
    socket.once(this.opener.readyEvent, () => {
      clearTimeout(timer)
      socket.off('error', fail)
      if (isWanted) call.start(new OutboundConnection(socket, this.options, this))
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
