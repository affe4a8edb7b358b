import type { IncomingMessage, Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type BlockList, Server as TcpServer } from 'node:net'
import type { Duplex } from 'node:stream'
import type { KnownHealth, LoadReport, Report, ToControl, ToProxy } from '../model/messages.ts'
import { covers, networks } from '../model/networks.ts'
import type { TableChange } from '../model/table.ts'
import type { ListenOn } from '../net/listen.ts'
import { listen } from '../net/listen.ts'
import type { AccessLog } from '../telemetry/access-log.ts'
import { Counters } from '../telemetry/counters.ts'
import { ClientConnection } from './client/client-connection.ts'
import { ClientListener, connectionsByListener } from './client/client-listener.ts'
import { ClientResponse } from './client/client-response.ts'
import { endOfDeclined } from './client/declined-upgrade.ts'
import type { ParserError } from './client/parser-errors.ts'
import { isBehindClose, isHangUp, refusalOf, requestLineOf } from './client/parser-errors.ts'
import type { BodyLimits } from './client/request-body.ts'
import type { ForwardingPolicy } from './client/request-head.ts'
import { Ending } from './ending.ts'
import { Exchange } from './exchange.ts'
import type { ProxyHeader } from './proxy-protocol/header.ts'
import { ProxyProtocolServer } from './proxy-protocol/server.ts'
import { refuseRequest } from './refused-request.ts'
import { Router } from './routing/router.ts'
import { ServiceRoute } from './routing/service-route.ts'
import type { Share } from './share.ts'
import { dividedLimit, WHOLE_SHARE } from './share.ts'
import { Tunnel } from './tunnel.ts'
import type { TargetEvents } from './upstream/target.ts'
import { Targets } from './upstream/targets.ts'
import { Verdicts } from './verdicts.ts'

/** Settings of a data plane. For limits and timeouts, 0 = none. */
export interface DataPlaneSettings {
  /** CIDRs; `unix` = the peers at socket files. */
  readonly trustedProxies: readonly string[]
  readonly forwarding: ForwardingPolicy
  readonly limits: {
    readonly headerBytes: number
    readonly urlBytes: number
    readonly bodyBytes: number
    readonly connections: number
    readonly requestsPerConnection: number
  }
  readonly timeouts: {
    readonly headerMs: number
    readonly requestMs: number
    readonly keepAliveMs: number
    readonly idleBodyMs: number
    readonly tunnelMs: number
  }
}

export interface ListenerOptions {
  /** Whether connections must begin with a PROXY header; then only trusted proxies may connect. Default: no. */
  readonly proxyProtocol?: boolean
  /** Name of the listener in metrics; default: the address in use. */
  readonly name?: string
}

/** An address at which connections are accepted. */
export interface Listener {
  /** The address in use. */
  readonly address: AddressInfo | string
  /** Stops accepting connections; open ones continue. */
  close(): void
}

/** Silence after which TCP keep-alive probes a client's connection, to detect that its machine is gone. */
const CLIENT_KEEP_ALIVE_MS = 60_000
const NO_LIMIT = 2 ** 31 - 1
const MIN_CHECK_MS = 20
const MAX_CHECK_MS = 1_000
/** Matches upgrades to other versions of HTTP and to TLS, which are declined: the request is handled as a plain one. */
const OTHER_HTTP = /^(?:h2c?|http\/|tls)/i
/** Entry of `trustedProxies` for the peers at socket files. */
const SOCKET_FILES = 'unix'

/**
 * A proxy: client connections, the table in force and the connections to servers. It forwards requests, and decides
 * nothing.
 */
export class DataPlane {
  readonly settings: DataPlaneSettings
  readonly counters = new Counters()
  readonly accessLog: AccessLog | null
  readonly trustedProxies: BlockList
  private readonly trustsSocketFiles: boolean
  /** Series for responses that come from no service. */
  readonly unrouted = this.counters.seriesFor('', '', '')
  readonly targets: Targets
  readonly tunnels = new Set<Tunnel>()
  readonly verdicts: Verdicts
  readonly bodyLimits: BodyLimits
  router: Router
  isStopping = false
  /** Number of connections accepted so far. */
  private accepted = 0
  private readonly send: (message: ToControl) => void
  /** Generation of the table in force; -1 = no table yet. */
  private generation = -1
  private routes = new Map<string, ServiceRoute>()
  private readonly servers = new Set<TcpServer>()
  private readonly listeners = new Set<ClientListener>()
  /** Max number of client connections; 0 = no limit. */
  private readonly maxConnections: number
  private readonly connections = new Map<Socket, ClientConnection>()
  private readonly ending = new Ending({
    servers: this.servers,
    connections: this.connections,
    tunnels: this.tunnels,
    accepted: () => this.accepted,
    onEnd: (cut) => {
      this.accessLog?.close()
      this.send({ type: 'stopped', cut })
    },
  })
  private headsToFlush: Exchange[] = []
  /** The request that is being parsed, if it asks for an upgrade that is declined; null = it does not. */
  private declined: IncomingMessage | null = null
  private reportsAll = false

  /** `share`: the part of this data plane, if several divide the limits among them. */
  constructor(
    settings: DataPlaneSettings,
    accessLog: AccessLog | null,
    send: (message: ToControl) => void,
    share: Share = WHOLE_SHARE,
  ) {
    this.settings = settings
    this.maxConnections = dividedLimit(settings.limits.connections, share)
    this.accessLog = accessLog
    this.send = send
    this.verdicts = new Verdicts(send)
    this.bodyLimits = { bytes: settings.limits.bodyBytes, idleMs: settings.timeouts.idleBodyMs }
    this.trustedProxies = networks(settings.trustedProxies.filter((entry) => entry !== SOCKET_FILES))
    this.trustsSocketFiles = settings.trustedProxies.includes(SOCKET_FILES)
    const events: TargetEvents = {
      onIdle: (target, cut) => {
        this.targets.forgetIfGone(target)
        this.send({ type: 'idle', key: target.key, cut })
      },
    }
    this.targets = new Targets(events, share)
    this.router = new Router([])
  }

  /** Accepts connections at an address. Rejects with the error of listening. */
  async listen(address: ListenOn, { proxyProtocol = false, name }: ListenerOptions = {}): Promise<Listener> {
    const http = this.createServer()
    const listener = new ClientListener(name)
    const server = proxyProtocol ? this.behindProxyHeader(http, listener) : http
    if (!proxyProtocol) http.on('connection', (socket) => this.onConnection(socket, null, listener))
    this.servers.add(server)
    const inUse = await listen(server, address).catch((error: unknown) => {
      this.servers.delete(server)
      throw error
    })
    listener.listensAt(inUse)
    this.listeners.add(listener)
    return {
      address: inUse,
      close: () => {
        this.servers.delete(server)
        listener.isClosed = true
        if (listener.connections === 0) this.listeners.delete(listener)
        // The `close` of a plain TCP server, because that of an HTTP server would also close idle connections.
        TcpServer.prototype.close.call(server)
      },
    }
  }

  private behindProxyHeader(http: Server, listener: ClientListener): TcpServer {
    return new ProxyProtocolServer(http, {
      timeoutMs: this.settings.timeouts.headerMs,
      keepAliveMs: CLIENT_KEEP_ALIVE_MS,
      isFull: () => this.isFull(),
      isTrusted: (peer) => peer === 'unix' || covers(this.trustedProxies, peer),
      onAccepted: (socket, header) => this.onConnection(socket, header, listener),
    })
  }

  receive(message: ToProxy): void {
    switch (message.type) {
      case 'table':
        this.apply(message.change, message.health, message.nowMs)
        break
      case 'health':
        this.targets.setHealth(message.changes)
        break
      case 'report':
        this.send({ type: 'report', id: message.id, report: this.report() })
        break
      case 'stop':
        this.isStopping = true
        this.ending.begin(message)
        break
    }
  }

  /** Returns the service of this name in the table in force. */
  routeOf(service: string): ServiceRoute | undefined {
    return this.routes.get(service)
  }

  /**
   * Calls `exchange.flushHead` at the end of this turn of the event loop, when all data that has arrived is read.
   */
  afterThisTurn(exchange: Exchange): void {
    if (this.headsToFlush.push(exchange) === 1) setImmediate(this.flushHeads)
  }

  private readonly flushHeads = (): void => {
    const exchanges = this.headsToFlush
    this.headsToFlush = []
    for (const exchange of exchanges) exchange.flushHead()
  }

  /**
   * Puts a table and the health of its servers in force, in one step. Throws if the change is not based on the table in
   * force.
   */
  private apply({ base, generation, services, removed }: TableChange, health: KnownHealth, nowMs: number): void {
    if (base !== null && base !== this.generation)
      throw new Error(`a table for generation ${base}, not ${this.generation}`)
    const before = this.routes
    const names = new Set(services.map(({ name }) => name))
    const gone = base === null ? [...before.keys()].filter((name) => !names.has(name)) : removed
    this.targets.apply(services, gone, nowMs)
    this.targets.setHealth(health)
    const routes = new Map(before)
    for (const name of gone) {
      routes.delete(name)
      this.counters.forget(name)
    }
    for (const service of services) {
      this.counters.forget(service.name)
      routes.set(service.name, new ServiceRoute(service, this.targets, this.counters, before.get(service.name)))
    }
    this.router = new Router(routes.values())
    this.routes = routes
    this.generation = generation
    // Queued requests may go on: to another pool if theirs has lost its share, or because limits were raised.
    for (const route of before.values()) route.pump()
    this.send({ type: 'applied', generation, busy: this.targets.busy() })
  }

  /** Reports the current load, and the counts that have changed since the last report. */
  report(): Report {
    const whole = this.reportsAll
    this.reportsAll = false
    const accessLogDropped = this.accessLog?.dropped ?? 0
    return { ...this.load(), ...this.counters.report(whole), accessLogDropped }
  }

  /** Makes the next report a complete one; called when reports have a new receiver. */
  reportAll(): void {
    this.reportsAll = true
  }

  /** Reports the requests in flight, the queued requests and the open connections. */
  load(): LoadReport {
    const queued: Record<string, number> = {}
    for (const [service, route] of this.routes) if (route.queued > 0) queued[service] = route.queued
    const listeners = connectionsByListener(this.listeners)
    return { inFlight: this.targets.inFlight(), queued, connections: this.connections.size, listeners }
  }

  private createServer(): Server {
    const { limits, timeouts } = this.settings
    const server = createServer(
      {
        ServerResponse: ClientResponse,
        // The guard checks header and target against their own limits; the parser only limits their sum.
        maxHeaderSize:
          limits.headerBytes === 0 || limits.urlBytes === 0 ? NO_LIMIT : limits.headerBytes + limits.urlBytes,
        // node:http throws if the timeout of the header is longer than that of the whole request.
        headersTimeout: timeouts.requestMs === 0 ? timeouts.headerMs : Math.min(timeouts.headerMs, timeouts.requestMs),
        requestTimeout: timeouts.requestMs,
        keepAliveTimeout: timeouts.keepAliveMs,
        // Idle connections stay open longer than the Keep-Alive header promises, for requests already on their way.
        keepAliveTimeoutBuffer: Math.min(MAX_CHECK_MS, Math.floor(timeouts.keepAliveMs / 10)),
        connectionsCheckingInterval: checkMs(timeouts),
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: CLIENT_KEEP_ALIVE_MS,
        requireHostHeader: false,
        shouldUpgradeCallback: (request) => this.followsUpgrade(request),
      },
      (request, response) => this.onRequest(request, response),
    )
    // 0 = no limit; with a limit, node:http would silently drop the fields beyond it.
    server.maxHeadersCount = 0
    for (const event of ['checkContinue', 'checkExpectation'] as const) {
      server.on(event, (request, response: ClientResponse) => this.onRequest(request, response))
    }
    server.on('clientError', (error, socket) => this.onClientError(error, socket))
    server.on('upgrade', (request, socket, head) => this.onUpgrade(request, socket, head))
    server.on('connect', (request, socket) => this.onConnect(request, socket))
    return server
  }

  /**
   * Whether client connections have reached their limit; connections still sending their PROXY header count, too.
   */
  private isFull(): boolean {
    if (this.maxConnections === 0) return false
    let open = this.connections.size
    for (const server of this.servers) if (server instanceof ProxyProtocolServer) open += server.waitingConnections
    return open >= this.maxConnections
  }

  private onConnection(socket: Socket, header: ProxyHeader | null, listener: ClientListener): void {
    this.accepted++
    // A peer that has reset its connection has no address any more; it must not be taken for a peer at a socket file.
    const hasLeft = header === null && listener.hasIpPeers && socket.remoteAddress === undefined
    if (hasLeft || this.isFull()) {
      socket.destroy()
      return
    }
    const connection = new ClientConnection(socket, header, this.trustedProxies, this.trustsSocketFiles)
    this.connections.set(socket, connection)
    listener.connections++
    socket.once('close', () => {
      this.connections.delete(socket)
      if (--listener.connections === 0 && listener.isClosed) this.listeners.delete(listener)
      connection.closed()
    })
  }

  private onRequest(request: IncomingMessage, response: ClientResponse): void {
    const connection = this.connections.get(request.socket)
    const isDeclined = this.declined === request
    this.declined = null
    // The connection is closed or about to close, so the request cannot be answered.
    if (connection === undefined || connection.refused) return
    const isLast = connection.countRequest() === this.settings.limits.requestsPerConnection
    const endsAt = isDeclined && !isLast ? endOfDeclined(request) : -1
    const closes = isLast || (isDeclined && endsAt !== request.socket.bytesRead)
    connection.refused = closes
    try {
      const exchange = new Exchange(this, request, response, connection)
      if (endsAt > request.socket.bytesRead) {
        request.once('end', () => {
          if (endsAt === request.socket.bytesRead && exchange.keepOpen()) connection.refused = false
        })
      }
      exchange.start(closes)
    } catch {
      // An error in the handling of one request must not affect others.
      response.destroy()
    }
  }

  /** Handles an error of the parser: the connection cannot be used any more after the responses to earlier requests. */
  private onClientError(error: ParserError, socket: Duplex): void {
    const connection = this.connections.get(socket as Socket)
    // On a connection that ends with its last response, anything after the last request is ignored, even its end.
    if (connection?.refused) return
    if (connection === undefined || !socket.writable || isHangUp(error)) socket.destroy()
    else if (isBehindClose(error)) connection.endInTurn()
    else {
      const isSilent = connection.served === 0 && connection.socket.bytesRead === 0
      refuseRequest(this, connection, refusalOf(error), isSilent ? null : requestLineOf(error))
    }
  }

  private onConnect(request: IncomingMessage, socket: Duplex): void {
    socket.on('error', () => socket.destroy())
    const connection = this.connections.get(request.socket)
    if (connection === undefined) return
    const refusal = { status: 405, text: 'CONNECT is not allowed.' }
    refuseRequest(this, connection, refusal, {
      method: 'CONNECT',
      target: request.url ?? '',
      host: request.headers.host ?? '',
    })
  }

  /** Whether an upgrade is accepted: node:http then calls `onUpgrade` for the request instead of `onRequest`. */
  private followsUpgrade(request: IncomingMessage): boolean {
    if (!OTHER_HTTP.test(request.headers.upgrade ?? '')) return true
    this.declined = request
    return false
  }

  /** `input`: stream of the client's data after its request. `head`: the part of it that has been read already. */
  private onUpgrade(request: IncomingMessage, input: Duplex, head: Buffer): void {
    const { socket } = request
    const connection = this.connections.get(socket)
    if (connection === undefined) return
    input.on('error', () => socket.destroy())
    socket.on('error', () => socket.destroy())
    // Responses to earlier requests come first. node:http has detached from the socket, so `drain` is forwarded here.
    const drained = (): void => connection.drained()
    socket.on('drain', drained)
    // The connection ends with the response to an earlier request, so this request is not handled.
    if (connection.refused) return
    connection.tunnelled = true
    connection.afterAnswers(() => {
      socket.off('drain', drained)
      // The body has turned out to be malformed in the meantime.
      if (connection.refused) return
      try {
        new Tunnel(this, request, input, head, connection).start()
      } catch {
        socket.destroy()
      }
    })
  }
}

/** Interval at which node:http checks for requests that take too long, so that timeouts are late by at most a tenth. */
function checkMs({ headerMs, requestMs }: DataPlaneSettings['timeouts']): number {
  const shortestMs = Math.min(headerMs || MAX_CHECK_MS * 10, requestMs || MAX_CHECK_MS * 10)
  return Math.min(MAX_CHECK_MS, Math.max(MIN_CHECK_MS, Math.floor(shortestMs / 10)))
}
