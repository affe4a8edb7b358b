import type { IncomingMessage, Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type BlockList, Server as TcpServer } from 'node:net'
import type { Duplex } from 'node:stream'
import type { KnownHealth, LoadReport, Report, ToControl, ToProxy } from '../model/messages.ts'
import { covers, networks } from '../model/networks.ts'
import type { TableChange } from '../model/table.ts'
import type { AccessLog } from '../telemetry/access-log.ts'
import { Counters } from '../telemetry/counters.ts'
import { ClientConnection } from './client/client-connection.ts'
import { ClientResponse } from './client/client-response.ts'
import type { ListenOn } from './client/listen.ts'
import { listen } from './client/listen.ts'
import type { ParserError } from './client/parser-errors.ts'
import { isBehindClose, isHangUp, refusalOf, refusalText } from './client/parser-errors.ts'
import type { BodyLimits } from './client/request-body.ts'
import type { ForwardingPolicy } from './client/request-head.ts'
import { Ending } from './ending.ts'
import { Exchange } from './exchange.ts'
import type { ProxyHeader } from './proxy-protocol/header.ts'
import { ProxyProtocolServer } from './proxy-protocol/server.ts'
import { Router } from './routing/router.ts'
import { ServiceRoute } from './routing/service-route.ts'
import type { Share } from './share.ts'
import { dividedLimit, WHOLE_SHARE } from './share.ts'
import { Tunnel } from './tunnel.ts'
import type { TargetEvents } from './upstream/target.ts'
import { Targets } from './upstream/targets.ts'
import { Verdicts } from './verdicts.ts'

/** 0 = none. */
export interface DataPlaneSettings {
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

/** Where connections are taken. */
export interface Listener {
  /** In use. */
  readonly address: AddressInfo | string
  /** Takes no more connections there; those that are open go on. */
  close(): void
}

/** A client's connection that has been silent for this long is probed by TCP: one whose machine is gone is noticed. */
const CLIENT_KEEP_ALIVE_MS = 60_000
const NO_LIMIT = 2 ** 31 - 1

/** The proxy half: client connections, the table in force, and the servers behind it. It decides nothing. */
export class DataPlane {
  readonly settings: DataPlaneSettings
  readonly counters = new Counters()
  readonly accessLog: AccessLog | null
  readonly trustedProxies: BlockList
  /** Where answers are counted that no service gave. */
  readonly unrouted = this.counters.seriesFor('', '', '')
  readonly targets: Targets
  readonly tunnels = new Set<Tunnel>()
  readonly verdicts: Verdicts
  readonly bodyLimits: BodyLimits
  router: Router
  isStopping = false
  /** Connections so far. */
  private accepted = 0
  private readonly tell: (message: ToControl) => void
  /** Of the table in force. */
  private generation = -1
  private routes = new Map<string, ServiceRoute>()
  private readonly servers = new Set<TcpServer>()
  /** 0 = unbounded. */
  private readonly mostConnections: number
  private readonly connections = new Map<Socket, ClientConnection>()
  private readonly ending = new Ending({
    servers: this.servers,
    connections: this.connections,
    tunnels: this.tunnels,
    accepted: () => this.accepted,
    onEnd: (cut) => {
      this.accessLog?.close()
      this.tell({ type: 'stopped', cut })
    },
  })
  private headsToFlush: Exchange[] = []
  private reportsAll = false

  /** `share`: this data plane is one of several, which divide what is limited among them. */
  constructor(
    settings: DataPlaneSettings,
    accessLog: AccessLog | null,
    tell: (message: ToControl) => void,
    share: Share = WHOLE_SHARE,
  ) {
    this.settings = settings
    this.mostConnections = dividedLimit(settings.limits.connections, share)
    this.accessLog = accessLog
    this.tell = tell
    this.verdicts = new Verdicts(tell)
    this.bodyLimits = { bytes: settings.limits.bodyBytes, idleMs: settings.timeouts.idleBodyMs }
    this.trustedProxies = networks(settings.trustedProxies)
    const events: TargetEvents = {
      onIdle: (target, cut) => {
        this.targets.forgetIfGone(target)
        this.tell({ type: 'idle', key: target.key, cut })
      },
    }
    this.targets = new Targets(events, share)
    this.router = new Router([])
  }

  /**
   * Takes requests at an address. `proxyProtocol`: connections open with a PROXY header, and only trusted proxies may
   * connect. Rejects when it cannot listen there.
   */
  async listen(address: ListenOn, proxyProtocol = false): Promise<Listener> {
    const http = this.createServer()
    const server = proxyProtocol ? this.behindProxyHeader(http) : http
    if (!proxyProtocol) http.on('connection', (socket) => this.onConnection(socket, null))
    this.servers.add(server)
    const inUse = await listen(server, address)
    return {
      address: inUse,
      close: () => {
        this.servers.delete(server)
        // As a plain TCP server: an HTTP server would also close idle connections.
        TcpServer.prototype.close.call(server)
      },
    }
  }

  private behindProxyHeader(http: Server): TcpServer {
    return new ProxyProtocolServer(http, {
      timeoutMs: this.settings.timeouts.headerMs,
      keepAliveMs: CLIENT_KEEP_ALIVE_MS,
      isFull: () => this.isFull(),
      isTrusted: (peer) => peer === 'unix' || covers(this.trustedProxies, peer),
      onAccepted: (socket, header) => this.onConnection(socket, header),
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
        this.tell({ type: 'report', id: message.id, report: this.report() })
        break
      case 'stop':
        this.isStopping = true
        this.ending.demand(message)
        break
    }
  }

  /** The service of this name as the table in force has it. */
  routeOf(service: string): ServiceRoute | undefined {
    return this.routes.get(service)
  }

  /**
   * Calls `exchange.flushHead` when everything has been read that is there to be read in this turn of the event loop.
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
   * Puts a table in force, and the health of its servers, in one step. Throws when it does not follow on the one that
   * is.
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
    // Who waits for a pool that has lost its share is sent elsewhere; limits may have been raised.
    for (const route of before.values()) route.pump()
    this.tell({ type: 'applied', generation, busy: this.targets.busy() })
  }

  /** What it has counted since the last report, and has under way. */
  report(): Report {
    const whole = this.reportsAll
    this.reportsAll = false
    const accessLogDropped = this.accessLog?.dropped ?? 0
    return { ...this.underWay(), ...this.counters.report(whole), accessLogDropped }
  }

  /** The next report is for somebody else than the last one was. */
  reportAll(): void {
    this.reportsAll = true
  }

  underWay(): LoadReport {
    const queued: Record<string, number> = {}
    for (const [service, route] of this.routes) if (route.queued > 0) queued[service] = route.queued
    return { inFlight: this.targets.inFlight(), queued, connections: this.connections.size }
  }

  private createServer(): Server {
    const { limits, timeouts } = this.settings
    const server = createServer(
      {
        ServerResponse: ClientResponse,
        // The guard holds header and target to their limits, and tells them apart; the parser only bounds both
        // together.
        maxHeaderSize:
          limits.headerBytes === 0 || limits.urlBytes === 0 ? NO_LIMIT : limits.headerBytes + limits.urlBytes,
        // node:http insists that a header may not take longer than its whole request.
        headersTimeout: timeouts.requestMs === 0 ? timeouts.headerMs : Math.min(timeouts.headerMs, timeouts.requestMs),
        requestTimeout: timeouts.requestMs,
        keepAliveTimeout: timeouts.keepAliveMs,
        connectionsCheckingInterval: 1_000,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: CLIENT_KEEP_ALIVE_MS,
        requireHostHeader: false,
        shouldUpgradeCallback: isTunnelled,
      },
      (request, response) => this.onRequest(request, response),
    )
    // Past its limit node:http would drop fields without a word.
    server.maxHeadersCount = 0
    for (const event of ['checkContinue', 'checkExpectation'] as const) {
      server.on(event, (request, response: ClientResponse) => this.onRequest(request, response))
    }
    server.on('clientError', (error, socket) => this.onClientError(error, socket))
    server.on('upgrade', (request, socket, head) => this.onUpgrade(request, socket, head))
    server.on('connect', (request, socket) => {
      socket.on('error', () => socket.destroy())
      this.connections.get(request.socket)?.afterAnswers(() => refuseConnect(socket))
    })
    return server
  }

  /**
   * Connections of clients have reached their limit; those that have not sent their PROXY header yet are among them.
   */
  private isFull(): boolean {
    if (this.mostConnections === 0) return false
    let open = this.connections.size
    for (const server of this.servers) if (server instanceof ProxyProtocolServer) open += server.waitingConnections
    return open >= this.mostConnections
  }

  private onConnection(socket: Socket, header: ProxyHeader | null): void {
    this.accepted++
    if (this.isFull()) {
      socket.destroy()
      return
    }
    const connection = new ClientConnection(socket, header, this.trustedProxies)
    this.connections.set(socket, connection)
    socket.once('close', () => {
      this.connections.delete(socket)
      connection.closed()
    })
  }

  private onRequest(request: IncomingMessage, response: ClientResponse): void {
    const connection = this.connections.get(request.socket)
    // The connection is gone already, or is about to close: there is nobody to answer.
    if (connection === undefined || connection.refused) return
    // node:http loses its place in what follows a request whose upgrade is not followed: nothing more is taken.
    const last = connection.countRequest() === this.settings.limits.requestsPerConnection || asksForUpgrade(request)
    connection.refused = last
    try {
      new Exchange(this, request, response, connection).start(last)
    } catch {
      // One request that cannot be handled must not end the others.
      response.destroy()
    }
  }

  /** What the parser refused; the connection is of no further use. */
  private onClientError(error: ParserError, socket: Duplex): void {
    const connection = this.connections.get(socket as Socket)
    // Of one that ends anyway, what comes behind its last request says nothing, nor that nothing comes any more.
    if (connection?.refused) return
    if (connection === undefined || !socket.writable || isHangUp(error)) socket.destroy()
    else if (isBehindClose(error)) connection.endInTurn()
    else connection.refuse(refusalOf(error))
  }

  private onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const connection = this.connections.get(request.socket)
    if (connection === undefined) return
    socket.on('error', () => socket.destroy())
    // Answers to requests before it come first; node:http has let go of the socket, and sees to none of them.
    const drained = (): void => connection.drained()
    socket.on('drain', drained)
    // Nothing more is taken from one that ends with the answer to the request before.
    if (connection.refused) return
    connection.tunnelled = true
    connection.afterAnswers(() => {
      socket.off('drain', drained)
      try {
        new Tunnel(this, request, request.socket, head, connection).start()
      } catch {
        socket.destroy()
      }
    })
  }
}

/** A request with a body, and the upgrades to other versions of HTTP, are answered as plain requests. */
function isTunnelled(request: IncomingMessage): boolean {
  const { upgrade, ...headers } = request.headers
  const hasBody = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
  return !hasBody && upgrade !== undefined && !/^(?:h2c?|http\/|tls)/i.test(upgrade)
}

function asksForUpgrade({ headers: { upgrade, connection } }: IncomingMessage): boolean {
  return upgrade !== undefined && connection !== undefined && /\bupgrade\b/i.test(connection)
}

function refuseConnect(socket: Duplex): void {
  socket.end(refusalText({ status: 405, text: 'CONNECT is not allowed.' }))
}
