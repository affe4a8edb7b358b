import type { Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { type buildConnector, type Dispatcher, Pool } from 'undici'
import type { ServerTls } from '../../model/spec.ts'
import { Endpoint } from '../../net/endpoint.ts'
import { NAMES, type Names } from '../../net/names.ts'
import type { RequestBody } from '../client/request-body.ts'
import { ProxyError } from '../errors.ts'
import { filterAnswers } from './answer-filter.ts'
import { OneShot } from './one-shot.ts'

export interface ConnectionSettings {
  readonly connectMs: number
  /** How long an idle connection is kept; the server's own Keep-Alive hint shortens it. */
  readonly keepAliveMs: number
  readonly tls?: ServerTls | undefined
}

/** undici's declared type does not know `servername`. */
type UpstreamRequest = Dispatcher.DispatchOptions & { servername?: string }

/** The most bytes of response headers that are read from a server. */
const MAX_RESPONSE_HEADER_BYTES = 64 * 1024
/** A connection is given up this long before the server said it would close it. */
const KEEP_ALIVE_MARGIN_MS = 1_000
/**
 * When a server does not say how long it keeps an idle connection, one that has been idle for longer may be closed by it
 * in the very moment it is used. That costs a request which can be sent again nothing, and any other its answer.
 */
const SURELY_ALIVE_MS = 500

/**
 * undici closes a connection when the next request names another TLS server than the last one; it would take the name
 * from the Host that each client sends. Which name it really is, the endpoint decides.
 */
const SAME_SERVER = 'server'

/** The pooled connections to one server; opened when needed, closed when they are not to be used again. */
export class Connections {
  private readonly url: string
  private readonly names: Names
  /** Made with the first request: of very many servers most are rarely asked. */
  private lazyEndpoint: Endpoint | null = null
  /** How often the endpoint's name had moved when the pools were begun. */
  private moves = 0
  private settings: ConnectionSettings
  private pool: Pool | null = null
  /** For what cannot be sent again: its connections are not used unless they are sure to be alive. */
  private surePool: Pool | null = null

  constructor(url: string, settings: ConnectionSettings, names: Names = NAMES) {
    this.url = url
    this.names = names
    this.settings = settings
  }

  /** `sure`: the request must not meet a connection that the server is just closing. */
  dispatch(options: UpstreamRequest, handler: Dispatcher.DispatchHandler, sure: boolean): void {
    const { keepAliveMs } = this.settings
    if (this.endpoint.moves !== this.moves) this.followMove()
    if (sure) this.surePool ??= this.createPool(Math.min(keepAliveMs, SURELY_ALIVE_MS))
    else this.pool ??= this.createPool(keepAliveMs)
    const pool = sure ? this.surePool : this.pool
    options.servername = SAME_SERVER
    pool?.dispatch(options, handler)
  }

  /** On a connection of its own, the header before the body, and trailers behind it. */
  dispatchAlone(options: Dispatcher.DispatchOptions, body: RequestBody, handler: Dispatcher.DispatchHandler): void {
    const { endpoint } = this
    const { connectMs } = this.settings
    new OneShot(options, body, handler, MAX_RESPONSE_HEADER_BYTES).start((callback) =>
      connectWithin(endpoint, connectMs, callback),
    )
  }

  /** New settings hold for new connections; requests on the old ones finish there. */
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

  /** Connections to the old addresses finish what they have; no new request goes there. */
  private followMove(): void {
    this.moves = this.endpoint.moves
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
    const { endpoint } = this
    return new Pool(endpoint.url, {
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
      // The declared type wants more of an error than there is.
      connect: ((_options, callback: Connected) =>
        connectWithin(endpoint, connectMs, callback)) as buildConnector.connector,
    })
  }
}

type Connected = (error: Error | null, socket: Socket | null) => void

/** undici's own connect timeout runs on a coarse clock; this one keeps to the millisecond. 0 = none. */
function connectWithin(endpoint: Endpoint, timeoutMs: number, callback: Connected): void {
  const socket = endpoint.connect()
  const timer =
    timeoutMs === 0
      ? undefined
      : setTimeout(() => socket.destroy(new ProxyError('connection_timeout', 'no')), timeoutMs)
  const fail = (error: Error): void => {
    clearTimeout(timer)
    callback(error, null)
  }
  socket.once('error', fail)
  socket.once(endpoint.readyEvent, () => {
    clearTimeout(timer)
    socket.off('error', fail)
    socket.on('error', renameReset)
    filterAnswers(socket)
    callback(null, socket)
  })
}

/** undici takes a reset for the proper end of a body that is delimited by the end of the connection; it must not. */
function renameReset(error: NodeJS.ErrnoException): void {
  if (error.code === 'ECONNRESET') error.code = 'UPSTREAM_RESET'
}
