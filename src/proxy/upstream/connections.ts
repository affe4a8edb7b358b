import { isDeepStrictEqual } from 'node:util'
import { type CallHandler, OutboundCall, type OutboundRequest } from '../../http1/outbound-call.ts'
import { type Opener, OutboundPool } from '../../http1/outbound-pool.ts'
import { OutboundSessions, type SessionOpener } from '../../http2/outbound-sessions.ts'
import type { ServerAddress } from '../../model/server-address.ts'
import { Endpoint } from '../../net/endpoint.ts'
import { NAMES as HOST_NAMES, type Names } from '../../net/names.ts'
import type { ClientEnds } from '../../net/proxy-header.ts'
import { ProxyError } from '../errors.ts'
import { DEADLINES, NAMES } from '../wire.ts'
import { type CallPool, ClientPools } from './client-pools.ts'

export interface ConnectionSettings {
  readonly address: ServerAddress
  readonly connectMs: number
  /** How long to keep an idle connection. The Keep-Alive field of the server can shorten it. */
  readonly keepAliveMs: number
}

/** Max lengths of the head of a response. */
const RESPONSE_LIMITS = { startLineBytes: 8 * 1024, fieldBytes: 64 * 1024 }

/** The connections to one server. */
export class Connections {
  private readonly names: Names
  private lazyHost: string | null = null
  /** Created with the first request, because most of very many servers are rarely used. */
  private lazyEndpoint: Endpoint | null = null
  /** `moves` of the endpoint when the pool was created. */
  private moves = 0
  private settings: ConnectionSettings
  /** Of a server that gets no PROXY header. */
  private pool: CallPool | null = null
  /** Of one that gets it, by client: a connection belongs to the client that its header names. */
  private clients: ClientPools | null = null

  constructor(settings: ConnectionSettings, names: Names = HOST_NAMES) {
    this.names = names
    this.settings = settings
  }

  /** The server's address, as in a Host field. */
  get host(): string {
    this.lazyHost ??= this.endpoint.hostField()
    return this.lazyHost
  }

  /** Whether the server is told of the client by a PROXY header. */
  get tellsClient(): boolean {
    return this.settings.address.proxyProtocol !== undefined
  }

  /** Whether the server may refuse a request after a part of its body was sent, so that it may be sent again. */
  get mayRefuse(): boolean {
    return this.endpoint.isHttp2
  }

  /** Makes a call, which begins with `start`. */
  call(request: OutboundRequest, handler: CallHandler): OutboundCall {
    return new OutboundCall(request, handler)
  }

  /**
   * `isSure`: the request must not be sent on a connection that the server may be closing. `client`: for a server that is
   * told of it; null = the connection is one of Cutover itself.
   */
  start(call: OutboundCall, isSure: boolean, client: ClientEnds | null = null): void {
    if (this.endpoint.moves !== this.moves) this.followMove()
    if (this.tellsClient) {
      this.clients ??= new ClientPools((ends) => this.createPool(ends))
      this.clients.of(client).start(call, isSure)
      return
    }
    this.pool ??= this.createPool(null)
    this.pool.start(call, isSure)
  }

  /** Applies new settings to new connections. Requests on existing ones finish there. */
  configure(settings: ConnectionSettings): void {
    const { connectMs, keepAliveMs, address } = this.settings
    const isSame = isDeepStrictEqual(settings.address, address)
    if (settings.connectMs === connectMs && settings.keepAliveMs === keepAliveMs && isSame) return
    this.settings = settings
    if (!isSame) {
      this.lazyEndpoint = null
      this.lazyHost = null
    }
    this.closeIdle()
  }

  private get endpoint(): Endpoint {
    this.lazyEndpoint ??= new Endpoint(this.settings.address, this.names)
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
    this.clients?.close()
    this.clients = null
  }

  private createPool(client: ClientEnds | null): CallPool {
    const { connectMs, keepAliveMs } = this.settings
    const connectTimeout = (): Error => new ProxyError('connection_timeout', 'no')
    const shared = { names: NAMES, deadlines: DEADLINES, connectMs, keepAliveMs, connectTimeout }
    return this.endpoint.isHttp2
      ? new OutboundSessions(sessionOpener(this.endpoint, client), {
          ...shared,
          fieldBytes: RESPONSE_LIMITS.fieldBytes,
        })
      : new OutboundPool(opener(this.endpoint, client), { ...shared, limits: RESPONSE_LIMITS })
  }
}

/** Opens connections as OutboundPool needs them. */
function opener(endpoint: Endpoint, client: ClientEnds | null): Opener {
  const { readyEvent } = endpoint
  const from = client === null ? {} : { client }
  return {
    readyEvent,
    connect: (input) => {
      if (!endpoint.isLayered) return endpoint.connect({ onread: input.onread, ...from })
      const socket = endpoint.connect(from)
      input.follow(socket)
      return socket
    },
  }
}

/** The same for OutboundSessions. */
function sessionOpener(endpoint: Endpoint, client: ClientEnds | null): SessionOpener {
  const { readyEvent, isSecure } = endpoint
  const from = client === null ? {} : { client }
  return { readyEvent, isSecure, host: endpoint.hostField(), connect: () => endpoint.connect(from) }
}
