import { randomBytes } from 'node:crypto'
import type { LastProbe } from '../health/check.ts'
import type { Facts, Request } from '../model/commands.ts'
import type { AppliedInPart, CannotFollow } from '../model/fleet.ts'
import type { Services } from '../model/handover.ts'
import { type HookSettings, NO_HOOKS } from '../model/hooks.ts'
import type { ListenerTls } from '../model/listener-tls.ts'
import type { FuseTrip, KnownHealth, SeriesReport, ToControl, Totals } from '../model/messages.ts'
import { own } from '../model/names.ts'
import { OPEN_BOX, type SecretBox } from '../model/secret-box.ts'
import { type Server, servingKeys } from '../model/servers.ts'
import type { HealthSpec } from '../model/spec.ts'
import type { Health, Service, State, StateName } from '../model/state.ts'
import { STICKY_PURPOSE } from '../model/sticky-key.ts'
import type { Store } from '../store/store.ts'
import type { TickExchange } from '../store/ticks.ts'
import { AppVersions, type VersionMismatch } from './app-versions.ts'
import { ProxyTls } from './certificates/proxy-tls.ts'
import type { CommandMaker, Commit, Result } from './controller.ts'
import { Controller } from './controller.ts'
import { DrainStatus } from './drain-status.ts'
import { Convergence } from './fleet/convergence.ts'
import type { Fleet } from './fleet/fleet.ts'
import { Lineage } from './fleet/lineage.ts'
import { Generations } from './generations.ts'
import type { Handover, HandoverEvent, KeptDefinitions } from './handovers.ts'
import type { ServerHealth } from './health-book.ts'
import { HealthBook } from './health-book.ts'
import type { ControlEnd } from './link.ts'
import { Progress } from './progress.ts'
import { ProxyHooks } from './proxy-hooks.ts'
import { ProxyLinks } from './proxy-links.ts'
import type { Resolve } from './resolve.ts'
import { RoutingTables, type ServicesInForce } from './routing-tables.ts'
import { type NameLookupOptions, ServerNames } from './server-names.ts'
import { Ticks } from './ticks/ticks.ts'
import type { Memory } from './unreadable.ts'
import { whyUnreadable } from './unreadable.ts'

export interface ControlOptions {
  readonly store: Store
  readonly resolve: Resolve
  /** Definitions that were readable in the previous process of this instance. */
  readonly memory?: Memory
  /** Hooks for the proxies; absent = none. */
  readonly hooks?: HookSettings
  /** Called with TLS of the listeners before the proxies have it. */
  readonly onTls?: (listeners: readonly ListenerTls[]) => void
  /** Encrypts secrets in the store; absent = they are in plain text. */
  readonly box?: SecretBox
  /** Name of this instance. */
  readonly name?: string
  /** The instances that share the store; absent = this instance alone. */
  readonly fleet?: Pick<Fleet, 'others' | 'unreadable' | 'refresh' | 'watch'>
  /** Where the instances exchange their counts; absent = this instance alone. */
  readonly ticks?: TickExchange | null
  /** Called when this instance has made progress. */
  readonly onProgress?: () => void
  /** The services that the proxies have in force from a previous control process; absent = they serve nothing yet. */
  readonly inForce?: ServicesInForce
  /** Called when a new definition begins or ends to wait for its servers. */
  readonly onHandover?: (event: HandoverEvent) => void
  /** Called with the definitions that are kept while others wait, before they are in force. */
  readonly onKept?: (kept: KeptDefinitions) => void
  /** Called when the servers of a pool begin or cease to report another version than the pool's. */
  readonly onVersionMismatch?: (mismatch: VersionMismatch) => void
  /** How the names of servers are looked up; absent = by the DNS servers of the system. */
  readonly names?: NameLookupOptions
  /** Called when the fuse of a rollout has tripped in a proxy. */
  readonly onFuse?: (trip: FuseTrip) => void
  /** Called after every check of a server. */
  readonly onProbe?: (key: string, last: LastProbe) => void
  /** Called with the keys of servers whose health may have changed. */
  readonly onHealth?: (keys: readonly string[]) => void
}

const SECRET_BYTES = 32
/** Max time for all proxies to take a message; by then one that hangs has been replaced. */
const TAKEN_WITHIN_MS = 15_000
const ALONE: NonNullable<ControlOptions['fleet']> = {
  others: () => [],
  unreadable: () => [],
  refresh: () => Promise.resolve(true),
  watch: () => () => undefined,
}

/**
 * The control side of an instance: decides commands, checks health, ejects servers that fail requests, compiles tables
 * and sends them to the proxies, and learns from their reports what is in force and what is in flight.
 */
export class Control {
  readonly controller: Controller
  readonly progress: Progress
  readonly convergence: Convergence
  readonly drains: DrainStatus
  readonly startedAt = new Date()
  readonly proxies = new ProxyLinks()
  readonly hooks: ProxyHooks
  readonly tls: ProxyTls
  /** Versions that the servers report of themselves. */
  readonly appVersions: AppVersions
  /** The names of servers, and what DNS has found for them. */
  readonly names: ServerNames
  /** The counts of every second. */
  readonly ticks: Ticks
  /** A local override is about to be in force here: no state counts as in force for the other instances. */
  isDiverging = false
  private readonly store: Store
  private readonly box: SecretBox
  private readonly onFuse: (trip: FuseTrip) => void
  private readonly healthBook: HealthBook
  private readonly generations = new Generations()
  private readonly lineage = new Lineage()
  private readonly tables: RoutingTables

  constructor(options: ControlOptions) {
    const { store, resolve, memory, hooks = NO_HOOKS, name = 'this instance', fleet = ALONE } = options
    const { inForce = null, onProgress, onProbe, onHealth } = options
    const { onHandover = () => undefined, onKept = () => undefined } = options
    this.store = store
    this.box = options.box ?? OPEN_BOX
    this.onFuse = options.onFuse ?? (() => undefined)
    this.appVersions = new AppVersions({
      versionOf: (service, pool) => own(own(this.state.services, service)?.spec.pools ?? {}, pool)?.version,
      onMismatch: options.onVersionMismatch ?? (() => undefined),
    })
    this.ticks = new Ticks(this.proxies, options.ticks ?? null, () => store.nowMs())
    this.hooks = new ProxyHooks(hooks, this.proxies, () => this.followAgain())
    this.tls = new ProxyTls(this.proxies, () => this.followAgain(), options.onTls ?? (() => undefined))
    this.healthBook = new HealthBook(
      this.proxies.all,
      () => {
        this.tables.advance()
        this.names.services.review()
      },
      (key, last) => {
        this.appVersions.probed(key, last.version)
        onProbe?.(key, last)
      },
      onHealth,
    )
    this.names = new ServerNames({
      ...options.names,
      health: {
        isUp: (key, at) => this.healthBook.isKnown(key, at) && this.healthBook.health(key).health === 'up',
        isUndecided: (key, at) => !this.healthBook.isKnown(key, at) || this.healthBook.isUndecided(key),
      },
      isBusy: (key) => (this.progress.busy()[key] ?? 0) > 0,
      onChange: (services) => this.controller.reattach(services),
    })
    this.tables = new RoutingTables({
      health: this.healthBook,
      generations: this.generations,
      send: (message) => this.proxies.send(message),
      nowMs: () => store.nowMs(),
      openStickyKey: (stored) => {
        const opened = this.box.open(stored, STICKY_PURPOSE)
        return 'text' in opened ? opened.text : null
      },
      inForce: inForce && ((state) => this.withKnownServers(inForce(state))),
      onHandover,
      onKept,
    })
    this.progress = new Progress(() => {
      this.generations.applied(this.progress.applied())
      this.convergence.check()
      onProgress?.()
    })
    this.convergence = new Convergence({
      progress: this.progress,
      lineage: this.lineage,
      handovers: () => this.tables.handoversIn(this.progress.applied()),
      others: () => fleet.others(),
      unreadable: () => fleet.unreadable(),
      watch: () => fleet.watch(),
      ownName: name,
    })
    this.drains = new DrainStatus({
      convergence: this.convergence,
      generations: this.generations,
      lineage: this.lineage,
      state: () => this.state,
      isStored: (service) => this.controller.isStored(service),
      readRegister: (timeoutMs) => fleet.refresh(timeoutMs),
    })
    const attach = (service: Service) => this.names.services.attach(service)
    this.controller = new Controller(store, resolve, () => this.facts(), memory, attach)
  }

  get state(): State {
    return this.controller.state
  }

  /** Reads the state and begins health checks. Throws StoreUnusable. */
  async start(): Promise<void> {
    await this.controller.start()
    this.tables.resume(this.state)
    this.controller.watch((state) => this.follow(state))
  }

  /** Stops health checks, and counting. */
  stop(): void {
    this.ticks.cancel()
    this.names.stop()
    this.tables.stop()
    this.healthBook.stop()
  }

  /**
   * Adds a proxy, and sends it the table and the health of the servers. `known`: the health that the proxy has from a
   * previous control process.
   */
  attach(name: string, link: ControlEnd, known: KnownHealth = []): void {
    this.proxies.add(name, link)
    this.progress.add(name)
    const health = this.healthBook.attach(name, known)
    link.receive((message) => this.receive(name, message))
    this.hooks.sendTo(link)
    this.tls.sendTo(link)
    link.send({ type: 'table', change: this.tables.whole(), health, nowMs: this.store.nowMs() })
  }

  /** Removes a proxy whose link has closed, mostly because its process has ended. */
  detach(name: string, link: ControlEnd): void {
    if (!this.proxies.remove(name, link)) return
    this.progress.remove(name)
    this.healthBook.detach(name)
  }

  /**
   * Sets which proxies are alive. Waits include them even before they are attached; proxies that are not listed are
   * forgotten.
   */
  expect(names: readonly string[]): void {
    this.proxies.expect(names)
    this.progress.expect(names)
  }

  /** See `Controller.execute`. */
  execute(make: CommandMaker, request: Request, commit?: Commit): Promise<Result> {
    return this.controller.execute(make, request, commit)
  }

  /** The state that all proxies have in force, with all its definitions; null = none yet. */
  applied(): StateName | null {
    return this.generations.wholeStateOf(this.progress.applied())
  }

  /**
   * The state in force here as the other instances may count on it; null = none, for example while local overrides make
   * this instance differ from the state.
   */
  appliedForOthers(): StateName | null {
    return this.isDiverging || this.generations.areOverridden ? null : this.applied()
  }

  /**
   * The later state that they have in force except for definitions that wait for their servers, as the other instances
   * may count on it; null = there is none.
   */
  appliedInPartForOthers(): AppliedInPart | null {
    const generation = this.progress.applied()
    const state = this.generations.stateOf(generation)
    const handovers = this.tables.handoversIn(generation)
    const isWhole = Object.keys(handovers).length === 0
    return state === null || isWhole || this.isDiverging || this.generations.areOverridden
      ? null
      : { ...state, handovers }
  }

  /** The handover of a service; undefined = its definition is not waiting for its servers. */
  handoverOf(service: string): Handover | undefined {
    return this.tables.handovers.of(service)
  }

  /** Number of services that wait for the servers of a new definition. */
  get handoversPending(): number {
    return this.tables.handovers.handingOver.length
  }

  /** Sends all requests of these rollouts to their stable pools at this instance; see `RoutingTables`. */
  closeCanaries(rollouts: ReadonlySet<string>): void {
    this.tables.closeCanaries(rollouts)
  }

  /** The revision that a proxy has in force; -1 = none yet. */
  appliedBy(proxy: string): number {
    return this.generations.wholeStateOf(this.progress.appliedBy(proxy))?.revision ?? -1
  }

  /** Whether the current state is in force in every proxy of this instance. */
  get isInForce(): boolean {
    return this.progress.applied() >= this.generations.current
  }

  /** Time that the last change took to be in force in all proxies here, ms; while it is not, its age. */
  get lagMs(): number {
    return this.generations.lagMs
  }

  /** By service whose definition this instance cannot read: the problem, and the targets still in use. null = none. */
  cannotFollow(): Readonly<Record<string, CannotFollow>> | null {
    const services = this.controller.cannotFollow
    if (services.length === 0) return null
    return Object.fromEntries(
      services.map((unreadable) => {
        const service = own(this.state.services, unreadable.name)
        return [unreadable.name, { problem: whyUnreadable(unreadable), serves: service ? servingKeys(service) : [] }]
      }),
    )
  }

  health(key: string): ServerHealth {
    return this.healthBook.health(key)
  }

  /** Checks these servers now instead of at the end of their intervals. */
  probeNow(keys: Iterable<string>): void {
    this.healthBook.probeNow(keys)
  }

  /** Describes the health of a server with the error of its last check: `down (status 503)`. */
  describeHealth({ key, ...server }: Server, spec: HealthSpec): string {
    return this.healthBook.describe(key, server, spec)
  }

  /** Part of its weight that a server has now; below 1 in slow start. */
  weightShare(key: string): number {
    return this.healthBook.weightShare(key)
  }

  /** Health of a server as the proxies know it, even if the state does not have it any more. */
  healthInForce(key: string): Health {
    return this.healthBook.healthInForce(key).health
  }

  /** Checks in their first round: their number, and the keys of some of their servers. */
  undecided(): { readonly count: number; readonly some: readonly string[] } {
    return this.healthBook.firstRounds.undecided()
  }

  /** Whether a server is in its first round of checks. */
  isUndecided(key: string): boolean {
    return this.healthBook.isUndecided(key)
  }

  /** Resolves once names are looked up and the first round of checks of every server is over, or after `timeoutMs`. */
  async firstProbes(timeoutMs: number): Promise<void> {
    const startedAt = performance.now()
    await this.names.looked(timeoutMs)
    await this.healthBook.firstRounds.over(Math.max(0, timeoutMs - (performance.now() - startedAt)))
  }

  /** Resolves once the proxies use the health that control knows now. */
  async syncHealth(): Promise<void> {
    this.healthBook.sendPending()
    // A link keeps the order of messages: a proxy that reports has received the health sent before.
    await this.proxies.collect()
  }

  /** Counts of all proxies, from their last reports. */
  counts(): Pick<Totals, 'series' | 'tallies'> {
    const isOf = (services: Services, { service, pool, version }: SeriesReport): boolean => {
      const pools = own(services, service)?.spec.pools
      return pools !== undefined && (pool === '' || own(pools, pool)?.version === version)
    }
    return this.proxies.counts({
      isCurrent: (series) =>
        series.service === '' || isOf(this.state.services, series) || isOf(this.tables.services, series),
      exists: (name) => own(this.state.services, name) !== undefined || own(this.tables.services, name) !== undefined,
    })
  }

  private follow(state: State): void {
    this.lineage.add(state)
    this.names.follow(state.services)
    this.appVersions.tidy()
    this.tables.follow(state, this.controller.overrides.length > 0)
  }

  /**
   * Sends the proxies a table that changes nothing, so that those that apply it have taken what was sent before. Resolves
   * with the names of those that have not, after `TAKEN_WITHIN_MS`.
   */
  private async followAgain(): Promise<readonly string[]> {
    const generation = this.tables.again()
    const { applied, lagging } = await this.convergence.wait({ generation, state: null }, [], TAKEN_WITHIN_MS, true)
    return applied ? [] : lagging
  }

  private receive(name: string, message: ToControl): void {
    switch (message.type) {
      case 'applied':
      case 'idle':
        this.progress.take(name, message)
        break
      case 'failures':
      case 'trial':
        this.healthBook.take(name, message)
        break
      case 'hooksFailed':
        this.hooks.failed(message.problem)
        break
      case 'fuse':
        this.onFuse(message)
        break
      case 'report':
        for (const versions of message.report.versions) this.appVersions.take(versions)
        this.proxies.take(name, message)
        break
      default:
        this.proxies.take(name, message)
    }
  }

  private withKnownServers({ services, since }: ReturnType<ServicesInForce>): ReturnType<ServicesInForce> {
    const known = Object.entries(services).map(([name, service]) => [name, this.names.services.withKnown(service)])
    return { services: Object.fromEntries(known), since }
  }

  /** Inputs of a decision now. */
  facts(): Facts {
    return {
      nowMs: this.store.nowMs(),
      secret: this.box.seal(randomBytes(SECRET_BYTES).toString('base64url'), STICKY_PURPOSE),
      isUp: (key, server, spec) => this.healthBook.isUp(key, server, spec),
      describeHealth: (key, server, spec) => this.healthBook.describe(key, server, spec),
      leaving: this.drains.leaving().map(({ key }) => key),
    }
  }
}
