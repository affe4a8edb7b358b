import { HealthChecker, type LastProbe } from '../health/checker.ts'
import { Outliers, type WatchedPool } from '../health/outlier.ts'
import type { Facts, Request } from '../model/commands.ts'
import type { Drain } from '../model/drains.ts'
import { isReopened } from '../model/drains.ts'
import type { Report, ToControl, ToProxy, Vitals } from '../model/messages.ts'
import { isOpen, serversOf } from '../model/servers.ts'
import { shareOf } from '../model/split.ts'
import type { Health, Service, State, StateName } from '../model/state.ts'
import { currentSplit } from '../model/state.ts'
import type { TableService } from '../model/table.ts'
import { compileService, tableChange, wholeTable } from '../model/table.ts'
import type { Store } from '../store/store.ts'
import type { CommandMaker, Resolve, Result } from './controller.ts'
import { Controller } from './controller.ts'
import type { Goal, Waited } from './convergence.ts'
import { Convergence } from './convergence.ts'
import type { Member } from './fleet.ts'
import { Generations } from './generations.ts'
import { Lineage } from './lineage.ts'
import type { ControlEnd } from './link.ts'
import { Progress } from './progress.ts'
import { Reports } from './reports.ts'

/** How things stand with a change that was waited for. */
export interface Settled extends Waited {
  /** What was to come to rest, and takes requests again. */
  readonly reopened: readonly string[]
  /** The store has lost the change since: it is not in force any more. */
  readonly lost: boolean
}

export interface ControlHalfOptions {
  readonly store: Store
  readonly resolve: Resolve
  /** Of this instance. */
  readonly name?: string
  /** The other instances that share the store. */
  readonly others?: () => readonly Member[]
  /** This instance has come further. */
  readonly onProgress?: () => void
}

/** Health by target, as a proxy half has it. */
export type KnownHealth = readonly (readonly [string, Health | 'trial'])[]

/** How a server does, by its checks and by what requests have met there. */
export interface ServerHealth {
  readonly health: Health
  /** Whether any probe has ended yet. */
  readonly probed: boolean
  readonly last: LastProbe | null
}

const UNCHECKED_UP: ServerHealth = { health: 'up', probed: true, last: null }

/**
 * The control half of an instance: decides commands, checks health, ejects servers that fail requests, compiles tables
 * and hands them to the proxy halves, and knows from their reports what is in force and what is under way.
 */
export class ControlHalf {
  readonly controller: Controller
  readonly progress: Progress
  readonly convergence: Convergence
  readonly startedAt = new Date()
  private readonly checker: HealthChecker
  private readonly outliers = new Outliers()
  private outlierTimer: NodeJS.Timeout | undefined
  private readonly reports = new Reports()
  private readonly vitals = new Map<string, Vitals>()
  private readonly links = new Map<string, ControlEnd>()
  private readonly onStopped = new Map<string, (cut: number) => void>()
  private expected: readonly string[] = []
  private onFirstProbes: (() => void) | null = null
  private readonly generations = new Generations()
  private readonly lineage = new Lineage()
  /** What the proxy halves have the table of, or are about to. */
  private followed: State
  /** Compiled services, as long as they stay the same. */
  private readonly tables = new WeakMap<Service, TableService>()
  /** Targets that are checked now. */
  private checked = new Set<string>()
  /** Targets that count as up without being checked. */
  private unchecked = new Set<string>()

  constructor({ store, resolve, name = 'this instance', others = () => [], onProgress }: ControlHalfOptions) {
    this.checker = new HealthChecker({
      onChange: (key) => this.changed([...this.outliers.watch(this.pools(this.state), performance.now()), key]),
      onProbe: () => this.checkFirstProbes(),
    })
    this.progress = new Progress(() => {
      this.generations.applied(this.progress.applied())
      this.convergence.check()
      onProgress?.()
    })
    this.convergence = new Convergence({ progress: this.progress, lineage: this.lineage, others, ownName: name })
    this.controller = new Controller(store, resolve, () => this.facts())
    this.followed = this.controller.state
  }

  get state(): State {
    return this.controller.state
  }

  /** Reads the state and begins to check. Throws StoreUnusable. */
  async start(): Promise<void> {
    await this.controller.start()
    this.controller.watch((state) => this.follow(state))
  }

  /**
   * Has every proxy half stop: listeners close after `acceptForMs`, what is under way has `timeoutMs` more. Health checks
   * go on meanwhile. Resolves with the number of requests and tunnels that were cut.
   */
  async stopProxies(acceptForMs: number, timeoutMs: number): Promise<number> {
    const stopped = [...this.links].map(
      ([name, link]) =>
        new Promise<number>((resolve) => {
          this.onStopped.set(name, resolve)
          link.send({ type: 'stop', acceptForMs, timeoutMs, tunnels: 'atOnce' })
        }),
    )
    return (await Promise.all(stopped)).reduce((sum, cut) => sum + cut, 0)
  }

  stop(): void {
    clearTimeout(this.outlierTimer)
    this.checker.stop()
  }

  /**
   * Takes a proxy half on: it gets the table, and what is known of health. `known`: what it knows itself, from a control
   * half before this one.
   */
  attach(name: string, link: ControlEnd, known: KnownHealth = []): void {
    this.links.set(name, link)
    this.progress.add(name)
    this.outliers.attach(name)
    this.adopt(name, known)
    link.receive((message) => this.receive(name, message))
    link.send({ type: 'table', change: wholeTable(this.state, this.generations.current, this.compiled) })
    this.sendHealthTo(name, link, [...this.checked, ...this.unchecked])
  }

  /** The wire to a proxy half is gone, and mostly the half with it. */
  detach(name: string, link: ControlEnd): void {
    // It may have been taken on again by another wire.
    if (this.links.get(name) !== link) return
    this.links.delete(name)
    this.progress.remove(name)
    this.reports.lost(name)
    this.onStopped.get(name)?.(0)
    this.changed(this.outliers.detach(name))
  }

  /** Sets who lives of the proxy halves: those that are missed hold up what is waited for, and the others are forgotten. */
  expect(names: readonly string[]): void {
    for (const name of this.expected) {
      if (names.includes(name)) continue
      this.reports.retire(name)
      this.vitals.delete(name)
    }
    this.expected = names
    this.progress.expect(names)
  }

  /** What a proxy half reported last. */
  reportOf(name: string): Report | undefined {
    return this.reports.lastOf(name)
  }

  /** What the process of a proxy half said last that it costs. */
  vitalsOf(name: string): Vitals | undefined {
    return this.vitals.get(name)
  }

  execute(make: CommandMaker, request: Request): Promise<Result> {
    return this.controller.execute(make, request)
  }

  /** What all proxy halves have in force; null = nothing yet. */
  applied(): StateName | null {
    return this.generations.stateOf(this.progress.applied())
  }

  /** The revision that a proxy half has in force; -1 = none yet. */
  appliedBy(proxy: string): number {
    return this.generations.stateOf(this.progress.appliedBy(proxy))?.revision ?? -1
  }

  /** Whether what is decided is in force in every proxy half of this instance. */
  get isInForce(): boolean {
    return this.progress.applied() >= this.generations.current
  }

  /** How long it took until what was decided last was in force here, ms; while it is not, how long it is due. */
  get lagMs(): number {
    return this.generations.lagMs
  }

  /** Whether the fleet has in force what was last decided for a service, and nothing under way at these of its targets. */
  isAtRest(service: Service, keys: readonly string[]): boolean {
    const generation = this.generations.of(service)
    const state = { revision: service.revision, head: '' }
    const { applied, busyAt } = this.convergence.standing({ generation, state }, keys)
    return applied && busyAt.length === 0
  }

  /**
   * Resolves once `revision` is in force everywhere and everything in `drains` is at rest, or after `timeoutMs` with how
   * things stand then. A later change of the same servers counts: `reopened` are those that take requests again.
   * `here`: in this instance alone.
   */
  async settled(revision: number, drains: readonly Drain[], timeoutMs: number, here = false): Promise<Settled> {
    const deadline = performance.now() + timeoutMs
    const keys = drains.flatMap((drain) => drain.keys)
    const wanted = this.lineage.nameOf(revision)
    let cut = 0
    for (;;) {
      const { generation, state } = this.goal()
      const goal = keys.length === 0 && wanted !== null ? { generation, state: wanted } : { generation, state }
      const waited = await this.convergence.wait(goal, keys, Math.max(0, deadline - performance.now()), here)
      cut += waited.cut
      const reopened = drains.filter((drain) => isReopened(drain, this.state)).map(({ name }) => name)
      const lost = wanted !== null && !this.lineage.has(wanted)
      const isCurrent = keys.length === 0 || this.generations.current === generation
      if (isCurrent || lost || reopened.length > 0 || performance.now() >= deadline)
        return { ...waited, reopened, cut, lost }
    }
  }

  health(key: string): ServerHealth {
    const found = this.found(key)
    return this.outliers.isEjected(key) ? { ...found, health: 'ejected' } : found
  }

  /** Whether a first probe of every checked target has ended. */
  allProbed(): boolean {
    for (const key of this.checked) if (!this.checker.get(key).probed) return false
    return true
  }

  /** Resolves once a first probe of every checked target has ended, or after `timeoutMs`. */
  firstProbes(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.onFirstProbes = () => {
        clearTimeout(timer)
        resolve()
      }
      this.checkFirstProbes()
    })
  }

  /** What all proxy halves count, added up. */
  collect(): Promise<Report> {
    return this.reports.collect(this.links)
  }

  private checkFirstProbes(): void {
    if (this.onFirstProbes === null || !this.allProbed()) return
    this.onFirstProbes()
    this.onFirstProbes = null
  }

  /** Goes on with what a proxy half knows: until the first checks are in, nobody knows better. */
  private adopt(name: string, known: KnownHealth): void {
    for (const [key, health] of known) this.checker.adopt(key, health === 'down' ? 'down' : 'up')
    const now = performance.now()
    this.outliers.watch(this.pools(this.state), now)
    const ejected = known.filter(([, health]) => health === 'ejected' || health === 'trial').map(([key]) => key)
    this.outliers.adopt(ejected, name, now)
    this.changed([])
    this.checkFirstProbes()
  }

  private follow(state: State): void {
    const services = Object.values(state.services)
    const servers = services.flatMap((service) => serversOf(service).map((server) => ({ server, spec: service.spec })))
    const before = this.checked
    this.unchecked = new Set(servers.filter(({ spec }) => spec.health === null).map(({ server }) => server.key))
    const targets = servers.flatMap(({ server, spec }) =>
      spec.health === null || server.state === 'maint' ? [] : [{ key: server.key, url: server.url, spec: spec.health }],
    )
    this.checked = new Set(targets.map(({ key }) => key))
    this.checker.watch(targets)
    const forgotten = [...before].filter((key) => !this.checked.has(key) && !this.unchecked.has(key))
    const added = [...this.checked].filter((key) => !before.has(key))
    const pools = this.pools(state)
    const changed = this.outliers.watch(pools, performance.now())
    const watched = new Set(pools.flatMap(({ keys }) => keys))
    const isBack = (key: string): boolean => watched.has(key) && !this.outliers.isEjected(key)
    // Who is let in because another one leaves takes requests before that one stops to.
    this.sendHealth([...forgotten, ...changed.filter(isBack)])
    const generation = this.generations.begin(state)
    this.lineage.add(state)
    const message: ToProxy = {
      type: 'table',
      change: tableChange(this.followed, state, generation, this.compiled),
    }
    this.followed = state
    for (const link of this.links.values()) link.send(message)
    // A target that counted as up unchecked until now has to prove it from here on.
    this.changed([...added, ...changed.filter((key) => !isBack(key))])
  }

  /** Every pool with the servers that take requests unless they are ejected. */
  private pools(state: State): WatchedPool[] {
    return Object.values(state.services).flatMap((service) =>
      Object.keys(service.spec.pools).map((pool): WatchedPool => {
        const takesRequests = shareOf(currentSplit(service), pool) > 0
        const servers = takesRequests ? serversOf(service, pool) : []
        const usable = servers.filter((server) => isOpen(server) && this.found(server.key).health === 'up')
        return { spec: service.spec.passive, keys: usable.map(({ key }) => key) }
      }),
    )
  }

  /** What checks have found. */
  private found(key: string): ServerHealth {
    return this.unchecked.has(key) ? UNCHECKED_UP : this.checker.get(key)
  }

  private receive(name: string, message: ToControl): void {
    switch (message.type) {
      case 'applied':
      case 'idle':
        this.progress.take(name, message)
        break
      case 'failures':
        this.outliers.recovered(message.recovered)
        this.changed(this.outliers.failed(name, message.counts, performance.now()))
        break
      case 'trial':
        this.changed(this.outliers.tried(message.key, message.ok, performance.now()))
        break
      case 'report':
        this.reports.take(message.id, name, message.report)
        break
      case 'vitals':
        this.vitals.set(name, message.vitals)
        break
      case 'stopped':
        this.onStopped.get(name)?.(message.cut)
        break
    }
  }

  /** Tells the proxy halves what has changed, and gives out trials when they are due. */
  private changed(keys: readonly string[]): void {
    this.sendHealth(keys)
    clearTimeout(this.outlierTimer)
    const nextAt = this.outliers.nextAt()
    if (nextAt === null) return
    const advance = (): void => this.changed(this.outliers.advance(performance.now()))
    this.outlierTimer = setTimeout(advance, Math.max(0, nextAt - performance.now())).unref()
  }

  private sendHealth(keys: readonly string[]): void {
    for (const [name, link] of this.links) this.sendHealthTo(name, link, keys)
  }

  private sendHealthTo(name: string, link: ControlEnd, keys: readonly string[]): void {
    if (keys.length === 0) return
    const changes = keys.map((key) => {
      const standing = this.outliers.standing(key, name)
      return [key, standing === 'in' ? this.found(key).health : standing] as const
    })
    link.send({ type: 'health', changes })
  }

  private readonly compiled = (service: Service): TableService => {
    const known = this.tables.get(service)
    if (known !== undefined) return known
    const table = compileService(service)
    this.tables.set(service, table)
    return table
  }

  private goal(): Goal {
    const { revision, head } = this.state
    return { generation: this.generations.current, state: { revision, head } }
  }

  private facts(): Facts {
    return { nowMs: Date.now(), isUp: (key) => this.health(key).health === 'up' }
  }
}
