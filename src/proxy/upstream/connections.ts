import type { Socket } from 'node:net'
import { buildConnector, type Dispatcher, Pool } from 'undici'
import type { RequestBody } from '../client/request-body.ts'
import { ProxyError } from '../errors.ts'
import { filterAnswers } from './answer-filter.ts'
import { OneShot } from './one-shot.ts'

export interface ConnectionSettings {
  readonly connectMs: number
  /** How long an idle connection is kept; the server's own Keep-Alive hint shortens it. */
  readonly keepAliveMs: number
}

/** The most bytes of response headers that are read from a server. */
const MAX_RESPONSE_HEADER_BYTES = 64 * 1024
/** A connection is given up this long before the server said it would close it. */
const KEEP_ALIVE_MARGIN_MS = 1_000
/**
 * When a server does not say how long it keeps an idle connection, one that has been idle for longer may be closed by it
 * in the very moment it is used. That costs a request which can be sent again nothing, and any other its answer.
 */
const SURELY_ALIVE_MS = 500

const connector = buildConnector({ allowH2: false, timeout: 0 })

/** The pooled connections to one server; opened when needed, closed when they are not to be used again. */
export class Connections {
  private readonly url: string
  private settings: ConnectionSettings
  private pool: Pool | null = null
  /** For what cannot be sent again: its connections are not used unless they are sure to be alive. */
  private surePool: Pool | null = null

  constructor(url: string, settings: ConnectionSettings) {
    this.url = url
    this.settings = settings
  }

  /** `sure`: the request must not meet a connection that the server is just closing. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler, sure: boolean): void {
    const { keepAliveMs } = this.settings
    if (sure) this.surePool ??= this.createPool(Math.min(keepAliveMs, SURELY_ALIVE_MS))
    else this.pool ??= this.createPool(keepAliveMs)
    const pool = sure ? this.surePool : this.pool
    pool?.dispatch(options, handler)
  }

  /** On a connection of its own, the header before the body, and trailers behind it. */
  dispatchAlone(options: Dispatcher.DispatchOptions, body: RequestBody, handler: Dispatcher.DispatchHandler): void {
    const { protocol, hostname, host, port } = new URL(this.url)
    const to = { protocol, hostname, host, port, localAddress: null }
    const connect = connectWithin(this.settings.connectMs)
    new OneShot(options, body, handler, MAX_RESPONSE_HEADER_BYTES).start((callback) => {
      connect(to, (...[error, socket]) => callback(error, (socket ?? null) as Socket | null))
    })
  }

  /** New settings hold for new connections; requests on the old ones finish there. */
  configure(settings: ConnectionSettings): void {
    const { connectMs, keepAliveMs } = this.settings
    if (settings.connectMs === connectMs && settings.keepAliveMs === keepAliveMs) return
    this.settings = settings
    this.closeIdle()
  }

  /** Closes idle connections now and busy ones as their requests end. */
  closeIdle(): void {
    const pools = [this.pool, this.surePool]
    this.pool = null
    this.surePool = null
    // What fails while closing has been told to its request; there is nobody else to tell.
    for (const pool of pools) pool?.close().catch(() => undefined)
  }

  /** `unhintedMs`: how long a connection is kept whose server does not say how long it keeps it. */
  private createPool(unhintedMs: number): Pool {
    const { connectMs, keepAliveMs } = this.settings
    return new Pool(this.url, {
      connections: null,
      // 0 makes undici close a connection after its request.
      pipelining: keepAliveMs === 0 ? 0 : 1,
      keepAliveTimeout: Math.max(1, unhintedMs),
      keepAliveMaxTimeout: Math.max(1, keepAliveMs),
      keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: MAX_RESPONSE_HEADER_BYTES,
      allowH2: false,
      connect: connectWithin(connectMs),
    })
  }
}

/** undici's own connect timeout runs on a coarse clock; this one keeps to the millisecond. */
function connectWithin(timeoutMs: number): buildConnector.connector {
  return (options, callback) => {
    let timer: NodeJS.Timeout | undefined
    // The declared type hides that the connector returns the socket.
    const socket = connector(options, (...result) => {
      clearTimeout(timer)
      const [, connected] = result
      // Absent when it failed, whatever the declared type says.
      if (connected) {
        connected.on('error', renameReset)
        filterAnswers(connected)
      }
      callback(...result)
    }) as unknown as Socket
    if (timeoutMs === 0) return
    timer = setTimeout(() => socket.destroy(new ProxyError('connection_timeout', 'no')), timeoutMs)
  }
}

/** undici takes a reset for the proper end of a body that is delimited by the end of the connection; it must not. */
function renameReset(error: NodeJS.ErrnoException): void {
  if (error.code === 'ECONNRESET') error.code = 'UPSTREAM_RESET'
}
