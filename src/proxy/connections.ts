import { buildConnector, type Dispatcher, Pool } from 'undici'
import { ProxyError } from './errors.ts'

export interface ConnectionSettings {
  readonly connectMs: number
  /** How long an idle connection is kept; the server's own Keep-Alive hint shortens it. */
  readonly keepAliveMs: number
}

/** The most bytes of response headers that are read from a server. */
const MAX_RESPONSE_HEADER_BYTES = 64 * 1024
/** A connection is given up this long before the server said it would close it. */
const KEEP_ALIVE_MARGIN_MS = 1_000

const connector = buildConnector({ allowH2: false, timeout: 0 })

/** The pooled connections to one server; opened when needed, closed when they are not to be used again. */
export class Connections {
  private readonly url: string
  private settings: ConnectionSettings
  private pool: Pool | null = null

  constructor(url: string, settings: ConnectionSettings) {
    this.url = url
    this.settings = settings
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.pool ??= this.createPool()
    this.pool.dispatch(options, handler)
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
    const pool = this.pool
    if (pool === null) return
    this.pool = null
    // What fails while closing has been told to its request; there is nobody else to tell.
    pool.close().catch(() => undefined)
  }

  private createPool(): Pool {
    const { connectMs, keepAliveMs } = this.settings
    return new Pool(this.url, {
      connections: null,
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
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
      callback(...result)
    }) as unknown as import('node:net').Socket
    if (timeoutMs === 0) return
    timer = setTimeout(() => socket.destroy(new ProxyError('connection_timeout', 'no')), timeoutMs)
  }
}
