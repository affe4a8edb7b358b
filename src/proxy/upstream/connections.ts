import { isDeepStrictEqual } from 'node:util'
import { type buildConnector, type Dispatcher, Pool } from 'undici'
import type { ServerTls } from '../../model/spec.ts'
import { type Connected, connectWithin } from '../../net/connect-within.ts'
import { Endpoint } from '../../net/endpoint.ts'
import { NAMES, type Names } from '../../net/names.ts'
import type { RequestBody } from '../client/request-body.ts'
import { ProxyError } from '../errors.ts'
import { filterAnswers } from './answer-filter.ts'
import { OneShot } from './one-shot.ts'

export interface ConnectionSettings {
  readonly connectMs: number
  /** How long to keep an idle connection. The Keep-Alive field of the server can shorten it. */
  readonly keepAliveMs: number
  readonly tls?: ServerTls | undefined
}

/** undici's declared type does not know `servername`. */
type UpstreamRequest = Dispatcher.DispatchOptions & { servername?: string }

/** Max size of a response head, in bytes. */
const MAX_RESPONSE_HEADER_BYTES = 64 * 1024
/** Connections are closed this long before the time that the server announced. */
const KEEP_ALIVE_MARGIN_MS = 1_000
/**
 * A server that announces no keep-alive time may close a connection that has been idle for longer just when it is used.
 * A request that can be sent again does not suffer from that; any other fails.
 */
const SURELY_ALIVE_MS = 500

/**
 * undici takes the TLS server name from Host, and closes the connection when it changes. This constant prevents that;
 * the endpoint decides which name is used.
 */
const SAME_SERVER = 'server'

/** The pool of connections to one server. */
export class Connections {
  private readonly url: string
  private readonly names: Names
  /** Created with the first request, because most of very many servers are rarely used. */
  private lazyEndpoint: Endpoint | null = null
  /** `moves` of the endpoint when the pools were created. */
  private moves = 0
  private settings: ConnectionSettings
  private pool: Pool | null = null
  /** For requests that cannot be sent again: uses only connections that are surely alive. */
  private surePool: Pool | null = null

  constructor(url: string, settings: ConnectionSettings, names: Names = NAMES) {
    this.url = url
    this.names = names
    this.settings = settings
  }

  /** `sure`: the request must not be sent on a connection that the server may be closing. */
  dispatch(options: UpstreamRequest, handler: Dispatcher.DispatchHandler, sure: boolean): void {
    const { keepAliveMs } = this.settings
    if (this.endpoint.moves !== this.moves) this.followMove()
    if (sure) this.surePool ??= this.createPool(Math.min(keepAliveMs, SURELY_ALIVE_MS))
    else this.pool ??= this.createPool(keepAliveMs)
    const pool = sure ? this.surePool : this.pool
    options.servername = SAME_SERVER
    pool?.dispatch(options, handler)
  }

  /** Sends a request on its own connection: the head first, then the body and trailers. */
  dispatchAlone(options: Dispatcher.DispatchOptions, body: RequestBody, handler: Dispatcher.DispatchHandler): void {
    const { endpoint } = this
    const { connectMs } = this.settings
    new OneShot(options, body, handler, MAX_RESPONSE_HEADER_BYTES).start((callback) =>
      connect(endpoint, connectMs, callback),
    )
  }

  /** Applies new settings to new connections. Requests on existing ones finish there. */
  configure(settings: ConnectionSettings): void {
    const { connectMs, keepAliveMs, tls } = this.settings
    const sameTls = isDeepStrictEqual(settings.tls, tls)
    if (settings.connectMs === connectMs && settings.keepAliveMs === keepAliveMs && sameTls) return
    this.settings = settings
    if (!sameTls) this.lazyEndpoint = null
    this.closeIdle()
  }

  private get endpoint(): Endpoint {
    this.lazyEndpoint ??= new Endpoint(this.url, this.settings.tls, this.names)
    return this.lazyEndpoint
  }

  /** Stops using connections to the old addresses. Their requests finish. */
  private followMove(): void {
    this.moves = this.endpoint.moves
    this.closeIdle()
  }

  /** Closes idle connections now and busy ones as their requests end. */
  closeIdle(): void {
    const pools = [this.pool, this.surePool]
    this.pool = null
    this.surePool = null
    // The request concerned has been notified of any error.
    for (const pool of pools) pool?.close().catch(() => undefined)
  }

  /** `unhintedMs`: how long to keep a connection if the server announces no time. */
  private createPool(unhintedMs: number): Pool {
    const { connectMs, keepAliveMs } = this.settings
    const { endpoint } = this
    return new Pool(endpoint.url, {
      connections: null,
      // With 0, undici closes a connection after each request.
      pipelining: keepAliveMs === 0 ? 0 : 1,
      keepAliveTimeout: Math.max(1, unhintedMs),
      keepAliveMaxTimeout: Math.max(1, keepAliveMs),
      keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: MAX_RESPONSE_HEADER_BYTES,
      allowH2: false,
      // The declared type requires more properties of the error.
      connect: ((_options, callback: Connected) => connect(endpoint, connectMs, callback)) as buildConnector.connector,
    })
  }
}

/** Connects to a server; the socket hides from undici what undici would misinterpret. */
function connect(endpoint: Endpoint, timeoutMs: number, callback: Connected): void {
  connectWithin(endpoint, timeoutMs, connectTimeout, (error, socket) => {
    if (socket !== null) {
      socket.on('error', renameReset)
      filterAnswers(socket)
    }
    callback(error, socket)
  })
}

function connectTimeout(): Error {
  return new ProxyError('connection_timeout', 'no')
}

/**
 * Renames resets, because undici treats ECONNRESET as the regular end of a body delimited by the end of the connection.
 */
function renameReset(error: NodeJS.ErrnoException): void {
  if (error.code === 'ECONNRESET') error.code = 'UPSTREAM_RESET'
}
