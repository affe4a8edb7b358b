import type { BlockList } from 'node:net'
import { TlsEndpoint } from '../edge/tls-endpoint.ts'
import type { ExplainedRequest, Explanation } from '../model/explain.ts'
import type { AcmeAnswers, ListenerTls } from '../model/listener-tls.ts'
import type { KnownHealth, LoadReport, Report, ToControl, ToProxy } from '../model/messages.ts'
import { poolKey } from '../model/names.ts'
import { networks } from '../model/networks.ts'
import { withCanaryClosed } from '../model/rollout/close-canary.ts'
import type { TableChange, TableService } from '../model/table.ts'
import type { ListenOn } from '../net/listen.ts'
import type { AccessLog } from '../telemetry/access-log/access-log.ts'
import { Counters } from '../telemetry/counters.ts'
import { Tracing, type TracingLog } from '../telemetry/tracing/tracing.ts'
import { ClientListeners, type Listener, type ListenerOptions } from './client/client-listeners.ts'
import type { DataPlaneSettings, OpenTunnel, ProxyContext } from './context.ts'
import { Ending } from './ending.ts'
import { Exchange } from './exchange.ts'
import type { ErrorLog } from './hooks/hook-errors.ts'
import { HookLoader, type HooksInForce } from './hooks/hooks-in-force.ts'
import { inboundOptions, inboundOptions2 } from './inbound-options.ts'
import { refuseRequest } from './refused-request.ts'
import { explain } from './routing/explain.ts'
import type { Fuse } from './routing/fuse.ts'
import { Fuses } from './routing/fuses.ts'
import type { HeldTotal } from './routing/held-requests.ts'
import { Router } from './routing/router.ts'
import { ServiceRoute } from './routing/service-route.ts'
import type { Share } from './share.ts'
import { dividedLimit, WHOLE_SHARE } from './share.ts'
import type { TargetEvents } from './upstream/target.ts'
import { Targets } from './upstream/targets.ts'
import { Verdicts } from './verdicts.ts'
import { DEADLINES } from './wire.ts'

/** Settings of a listener of a data plane. `tlsOf`: its position in messages about TLS; absent = its connections are plain. */
export type DataPlaneListener = Omit<ListenerOptions, 'tls'> & { readonly tlsOf?: number }

/** Entry of `trustedProxies` for the peers at socket files. */
const SOCKET_FILES = 'unix'

/**
 * A proxy: client connections, the table in force and the connections to servers. It forwards requests, and decides
 * nothing.
 */
export class DataPlane implements ProxyContext {
  readonly settings: DataPlaneSettings
  readonly counters = new Counters()
  readonly accessLog: AccessLog | null
  readonly tracing: Tracing | null
  readonly trustedProxies: BlockList
  readonly unrouted = this.counters.row(this.counters.seriesFor('', '', ''))
  readonly targets: Targets
  readonly tunnels = new Set<OpenTunnel>()
  readonly verdicts: Verdicts
  router: Router
  isStopping = false
  acmeTokens: ReadonlyMap<string, string> | null = null
  private readonly heldTotal: HeldTotal
  private readonly send: (message: ToControl) => void
  /** Generation of the table in force; -1 = no table yet. */
  private generation = -1
  private routes = new Map<string, ServiceRoute>()
  private readonly fuses: Fuses
  private readonly clients: ClientListeners
  /** By position of the listener. */
  private readonly endpoints = new Map<number, TlsEndpoint>()
  /** For the tickets of TLS sessions; null = each listener has keys of its own. */
  private ticketKeys: Buffer | null = null
  private alpn: AcmeAnswers['alpn'] = {}
  private readonly ending: Ending
  private reportsAll = false
  private readonly hookLoader: HookLoader

  /** `log`: for errors of hooks, and tracing. `share`: the part of this data plane, if several divide the limits among them. */
  constructor(
    settings: DataPlaneSettings,
    accessLog: AccessLog | null,
    send: (message: ToControl) => void,
    log: ErrorLog & TracingLog,
    share: Share = WHOLE_SHARE,
  ) {
    const { tracing } = settings
    // Servers are told to record the traces that are recorded here, and no others.
    this.settings =
      tracing === null ? settings : { ...settings, forwarding: { ...settings.forwarding, traceSample: tracing.sample } }
    this.tracing = tracing === null ? null : new Tracing(tracing, log)
    this.accessLog = accessLog
    this.send = send
    this.verdicts = new Verdicts(send)
    this.hookLoader = new HookLoader(this.counters, log)
    this.trustedProxies = networks(settings.trustedProxies.filter((entry) => entry !== SOCKET_FILES))
    const events: TargetEvents = {
      onIdle: (target, cut) => {
        this.targets.forgetIfGone(target)
        this.send({ type: 'idle', key: target.key, cut })
      },
    }
    this.targets = new Targets(events, share)
    this.fuses = new Fuses(this.targets, (fuse) => this.closeCanary(fuse))
    this.heldTotal = { count: 0, max: settings.limits.held, share }
    this.router = new Router([])
    this.clients = new ClientListeners(
      {
        inbound: inboundOptions(settings),
        inbound2: inboundOptions2(settings),
        trustedProxies: this.trustedProxies,
        trustsSocketFiles: settings.trustedProxies.includes(SOCKET_FILES),
        maxRequests: settings.limits.requestsPerConnection,
        create: (stream, client) => new Exchange(this, stream, client),
        refuse: (refusal, seen, client) => refuseRequest(this, client, refusal, seen),
        onHttp2Closed: (reason) => this.counters.tally('http2Closed', '', reason).add(),
      },
      dividedLimit(settings.limits.connections, share),
    )
    this.ending = new Ending({
      clients: this.clients,
      tunnels: this.tunnels,
      onEnd: (cut) => {
        this.accessLog?.close()
        const stopped = (): void => this.send({ type: 'stopped', cut })
        if (this.tracing === null) stopped()
        else void this.tracing.close().then(stopped)
      },
    })
  }

  /** Accepts connections at an address. `tlsOf`: position of the listener with TLS; absent = plain. Rejects with the error of listening. */
  listen(address: ListenOn, { tlsOf, ...options }: DataPlaneListener = {}): Promise<Listener> {
    const tls = tlsOf === undefined ? null : this.endpoint(tlsOf)
    return this.clients.listen(address, { ...options, tls })
  }

  receive(message: ToProxy): void {
    switch (message.type) {
      case 'table':
        this.apply(message.change, message.health, message.nowMs)
        break
      case 'hooks': {
        const problem = this.hookLoader.load(message.hooks)
        if (problem !== null) this.send({ type: 'hooksFailed', problem })
        break
      }
      case 'tls':
        this.useTls(message.listeners)
        break
      case 'acmeAnswers':
        this.useAcmeAnswers(message.answers)
        break
      case 'ticketKeys':
        this.ticketKeys = Buffer.from(message.key, 'base64')
        for (const endpoint of this.endpoints.values()) endpoint.useTicketKeys(this.ticketKeys)
        break
      case 'health':
        this.targets.setHealth(message.changes)
        break
      case 'report':
        this.send({ type: 'report', id: message.id, report: this.report() })
        break
      case 'explain':
        this.send({ type: 'explained', id: message.id, explanation: this.explain(message.request, message.service) })
        break
      case 'stop':
        this.isStopping = true
        this.ending.begin(message)
        break
    }
  }

  private useTls(listeners: readonly ListenerTls[]): void {
    for (const settings of listeners) this.endpoint(settings.listener).use(settings)
  }

  private useAcmeAnswers({ http, alpn }: AcmeAnswers): void {
    const tokens = Object.entries(http)
    this.acmeTokens = tokens.length === 0 ? null : new Map(tokens)
    this.alpn = alpn
    for (const endpoint of this.endpoints.values()) endpoint.answer(alpn)
  }

  private endpoint(listener: number): TlsEndpoint {
    let endpoint = this.endpoints.get(listener)
    if (endpoint === undefined) {
      endpoint = new TlsEndpoint({ timeoutMs: this.settings.timeouts.headerMs, deadlines: DEADLINES })
      if (this.ticketKeys !== null) endpoint.useTicketKeys(this.ticketKeys)
      endpoint.answer(this.alpn)
      this.endpoints.set(listener, endpoint)
    }
    return endpoint
  }

  get hooks(): HooksInForce | null {
    return this.hookLoader.inForce
  }

  routeOf(service: string): ServiceRoute | undefined {
    return this.routes.get(service)
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
    for (const name of gone) this.fuses.forget(name)
    const inForce = services.map((service) => this.fuses.take(service))
    this.targets.apply(inForce, gone, nowMs)
    this.targets.setHealth(health)
    const routes = new Map(before)
    for (const name of gone) {
      routes.delete(name)
      this.counters.forget(name)
    }
    for (const service of inForce) {
      this.counters.forget(service.name)
      routes.set(service.name, this.routeFor(service, before.get(service.name)))
    }
    this.router = new Router(routes.values())
    this.routes = routes
    this.generation = generation
    // Queued requests may go on: to another pool if theirs has lost its share, or because limits were raised.
    for (const route of before.values()) route.pump()
    for (const name of [...services.map((service) => service.name), ...gone]) before.get(name)?.releaseHeld()
    this.sendApplied()
    if (base === null) for (const trip of this.fuses.trips()) this.send({ type: 'fuse', ...trip })
  }

  private sendApplied(): void {
    this.send({ type: 'applied', generation: this.generation, busy: this.targets.busy() })
  }

  /** Puts a service without the canary of its rollout in force, in one step. Requests in flight there go on. */
  private closeCanary({ table, trip }: Fuse): void {
    const before = this.routes.get(table.name)
    if (before === undefined || trip === null) return
    const closed = withCanaryClosed(table)
    const hasOpened = this.targets.openStandbys(closed)
    const route = this.routeFor(closed, before)
    this.routes.set(table.name, route)
    this.router = new Router(this.routes.values())
    if (route.mirror === null) before.mirror?.stop()
    before.pump()
    if (hasOpened) this.sendApplied()
    this.send({ type: 'fuse', ...trip })
  }

  private routeFor(service: TableService, previous: ServiceRoute | undefined): ServiceRoute {
    const fuse = this.fuses.of(service.name)
    return new ServiceRoute(service, this.targets, this.counters, this.heldTotal, previous, fuse)
  }

  private explain(request: ExplainedRequest, service: string | null): Explanation {
    const route = service === null ? null : (this.routes.get(service) ?? null)
    return explain(request, this.router, route, this.hooks?.hooks ?? null, performance.now())
  }

  /** Reports the current load, and the counts that have changed since the last report. */
  report(): Report {
    const whole = this.reportsAll
    this.reportsAll = false
    const accessLogDropped = this.accessLog?.dropped ?? 0
    const traceSpansDropped = this.tracing?.dropped ?? 0
    const handshakes = this.clients.handshakes.report()
    return { ...this.load(), ...this.counters.report(whole), accessLogDropped, traceSpansDropped, handshakes }
  }

  /** Makes the next report a complete one; called when reports have a new receiver. */
  reportAll(): void {
    this.reportsAll = true
  }

  /** Reports the requests in flight, queued and held, and the open connections. */
  load(): LoadReport {
    const queued: Record<string, number> = {}
    const held: Record<string, number> = {}
    for (const [service, route] of this.routes) {
      for (const pool of route.queues) queued[poolKey(service, pool.name)] = pool.queue.length
      if (route.heldCount > 0) held[service] = route.heldCount
    }
    const { connections } = this.clients
    return {
      inFlight: this.targets.inFlight(),
      queued,
      held,
      connections: connections.size,
      listeners: this.clients.counts(),
    }
  }
}
