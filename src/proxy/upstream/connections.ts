import { isDeepStrictEqual } from 'node:util'
import { type CallHandler, OutboundCall, type OutboundRequest } from '../../http1/outbound-call.ts'
import { OutboundPool } from '../../http1/outbound-pool.ts'
import { OutboundSessions } from '../../http2/outbound-sessions.ts'
import { readServerUrl } from '../../model/server-url.ts'
import type { ServerTls } from '../../model/spec.ts'
import { Endpoint } from '../../net/endpoint.ts'
import { NAMES as HOST_NAMES, type Names } from '../../net/names.ts'
import { ProxyError } from '../errors.ts'
import { DEADLINES, NAMES } from '../wire.ts'

export interface ConnectionSettings {
  readonly connectMs: number
  /** How long to keep an idle connection. The Keep-Alive field of the server can shorten it. */
  readonly keepAliveMs: number
  readonly tls?: ServerTls | undefined
}

/** Max lengths of the head of a response. */
const RESPONSE_LIMITS = { startLineBytes: 8 * 1024, fieldBytes: 64 * 1024 }

/** The connections to one server. */
export class Connections {
  private readonly url: string
  private readonly names: Names
  private lazyHost: string | null = null
  /** Created with the first request, because most of very many servers are rarely used. */
  private lazyEndpoint: Endpoint | null = null
  /** `moves` of the endpoint when the pool was created. */
  private moves = 0
  private settings: ConnectionSettings
  private pool: OutboundPool | OutboundSessions | null = null

  constructor(url: string, settings: ConnectionSettings, names: Names = HOST_NAMES) {
    this.url = url
    this.names = names
    this.settings = settings
  }

  /** The server's address, as in a Host field. */
  get host(): string {
    this.lazyHost ??= readServerUrl(this.url).host
    return this.lazyHost
  }

  /** Whether the server may refuse a request after a part of its body was sent, so that it may be sent again. */
  get mayRefuse(): boolean {
    return this.endpoint.isHttp2
  }

  /** Makes a call, which begins with `start`. */
  call(request: OutboundRequest, handler: CallHandler): OutboundCall {
    return new OutboundCall(request, handler)
  }

  /** `isSure`: the request must not be sent on a connection that the server may be closing. */
  start(call: OutboundCall, isSure: boolean): void {
    if (this.endpoint.moves !== this.moves) this.followMove()
    this.pool ??= this.createPool()
    this.pool.start(call, isSure)
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

  /** Closes idle connections now, and busy ones as their requests end. */
  closeIdle(): void {
    this.pool?.close()
    this.pool = null
  }

  private createPool(): OutboundPool | OutboundSessions {
    const { connectMs, keepAliveMs } = this.settings
    const connectTimeout = (): Error => new ProxyError('connection_timeout', 'no')
    const shared = { names: NAMES, deadlines: DEADLINES, connectMs, keepAliveMs, connectTimeout }
    if (this.endpoint.isHttp2)
      return new OutboundSessions(this.endpoint, { ...shared, fieldBytes: RESPONSE_LIMITS.fieldBytes })
    return new OutboundPool(this.endpoint, { ...shared, limits: RESPONSE_LIMITS })
  }
}
