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
import { ClientListener, connectionsByListener } from './client/client-listener.ts'
import { ClientResponse } from './client/client-response.ts'
import { endOfDeclined } from './client/declined-upgrade.ts'
import type { ListenOn } from './client/listen.ts'
import { listen } from './client/listen.ts'
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

/** 0 = none. */
export interface DataPlaneSettings {
  /** CIDRs, and `unix` for the peers at socket files. */
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
  readonly proxyProtocol?: boolean
  readonly name?: string
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
const MIN_CHECK_MS = 20
const MAX_CHECK_MS = 1_000
/** Upgrades to other versions of HTTP, and to TLS, are not followed: the request is answered as if it did not ask. */
const OTHER_HTTP = /^(?:h2c?|http\/|tls)/i
/** Stands for the peers at socket files among trusted proxies. */
const SOCKET_FILES = 'unix'

/** The proxy half: client connections, the table in force, and the servers behind it. It decides nothing. */
export class DataPlane {
  readonly settings: DataPlaneSettings
  readonly counters = new Counters()
  readonly accessLog: AccessLog | null
  readonly trustedProxies: BlockList
  private readonly trustsSocketFiles: boolean
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
  private readonly listeners = new Set<ClientListener>()
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
  /** The request that is being parsed, where it asks for an upgrade that is not followed. */
  private declined: IncomingMessage | null = null
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
    this.trustedProxies = networks(settings.trustedProxies.filter((entry) => entry !== SOCKET_FILES))
    this.trustsSocketFiles = settings.trustedProxies.includes(SOCKET_FILES)
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
   * connect. `name`: of the listener in metrics; default: the address in use. Rejects when it cannot listen there.
   */
  async listen(address: ListenOn, { proxyProtocol = false, name }: ListenerOptions = {}): Promise<Listener> {
    const http = this.createServer()
    const listener = new ClientListener(name)
    const server = proxyProtocol ? this.behindProxyHeader(http, listener) : http
    if (!proxyProtocol) http.on('connection', (socket) => this.onConnection(socket, null, listener))
    this.servers.add(server)
    const inUse = await listen(server, address)
    listener.listensAt(inUse)
    this.listeners.add(listener)
    return {
      address: inUse,
      close: () => {
        this.servers.delete(server)
        listener.isClosed = true
        if (listener.connections === 0) this.listeners.delete(listener)
        // As a plain TCP server: an HTTP server would also close idle connections.
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
    const listeners = connectionsByListener(this.listeners)
    return { inFlight: this.targets.inFlight(), queued, connections: this.connections.size, listeners }
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
        // Longer than clients are told (Keep-Alive), for requests that are on their way by then.
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
    // Past its limit node:http would drop fields without a word.
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
   * Connections of clients have reached their limit; those that have not sent their PROXY header yet are among them.
   */
  private isFull(): boolean {
    if (this.mostConnections === 0) return false
    let open = this.connections.size
    for (const server of this.servers) if (server instanceof ProxyProtocolServer) open += server.waitingConnections
    return open >= this.mostConnections
  }

  private onConnection(socket: Socket, header: ProxyHeader | null, listener: ClientListener): void {
    this.accepted++
    // A peer that has reset its connection has no address any more; it must not pass for one at a socket file.
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
    // The connection is gone already, or is about to close: there is nobody to answer.
    if (connection === undefined || connection.refused) return
    const isLast = connection.countRequest() === this.settings.limits.requestsPerConnection
    const endsAt = isDeclined && !isLast ? endOfDeclined(request) : -1
    const closes = isLast || (isDeclined && endsAt !== request.socket.bytesRead)
    connection.refused = closes
    try {
      const exchange = new Exchange(this, request, response, connection)
      if (endsAt > request.socket.bytesRead) {
        request.once('end', () => {
          if (endsAt !== request.socket.bytesRead) return
          connection.refused = false
          exchange.keepOpen()
        })
      }
      exchange.start(closes)
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

  /** Whether node:http hands a request that asks for an upgrade to `onUpgrade`, and not to `onRequest`. */
  private followsUpgrade(request: IncomingMessage): boolean {
    if (!OTHER_HTTP.test(request.headers.upgrade ?? '')) return true
    this.declined = request
    return false
  }

  /** `behind`: what the client sends behind its request, and `head`: what of it is here already. */
  private onUpgrade(request: IncomingMessage, behind: Duplex, head: Buffer): void {
    const { socket } = request
    const connection = this.connections.get(socket)
    if (connection === undefined) return
    behind.on('error', () => socket.destroy())
    socket.on('error', () => socket.destroy())
    // Answers to requests before it come first; node:http has let go of the socket, and sees to none of them.
    const drained = (): void => connection.drained()
    socket.on('drain', drained)
    // Nothing more is taken from one that ends with the answer to the request before.
    if (connection.refused) return
    connection.tunnelled = true
    connection.afterAnswers(() => {
      socket.off('drain', drained)
      // A mistake in its body has been found meanwhile.
      if (connection.refused) return
      try {
        new Tunnel(this, request, behind, head, connection).start()
      } catch {
        socket.destroy()
      }
    })
  }
}

/** How often node:http looks for requests that take too long: often enough to be late by a tenth of the timeout at most. */
function checkMs({ headerMs, requestMs }: DataPlaneSettings['timeouts']): number {
  const shortestMs = Math.min(headerMs || MAX_CHECK_MS * 10, requestMs || MAX_CHECK_MS * 10)
  return Math.min(MAX_CHECK_MS, Math.max(MIN_CHECK_MS, Math.floor(shortestMs / 10)))
}
