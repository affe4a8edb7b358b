import type { Facts, Request } from '../model/commands.ts'
import type { Drain } from '../model/drains.ts'
import { isReopened } from '../model/drains.ts'
import type { CannotFollow } from '../model/fleet.ts'
import type { KnownHealth, LoadReport, ToControl, ToProxy, Totals, Vitals } from '../model/messages.ts'
import { own } from '../model/names.ts'
import { servingKeys } from '../model/servers.ts'
import { serviceChanges } from '../model/service-changes.ts'
import type { Service, State, StateName } from '../model/state.ts'
import type { TableService } from '../model/table.ts'
import { compileService, tableChange, wholeTable } from '../model/table.ts'
import type { Store } from '../store/store.ts'
import type { CommandMaker, Result } from './controller.ts'
import { Controller } from './controller.ts'
import type { Goal, Waited } from './fleet/convergence.ts'
import { Convergence } from './fleet/convergence.ts'
import type { Fleet } from './fleet/fleet.ts'
import { Lineage } from './fleet/lineage.ts'
import { Generations } from './generations.ts'
import type { ServerHealth } from './health-book.ts'
import { HealthBook } from './health-book.ts'
import type { ControlEnd } from './link.ts'
import { Progress } from './progress.ts'
import { Reports } from './reports.ts'
import type { Resolve } from './resolve.ts'
import type { Memory } from './unreadable.ts'
import { whyUnreadable } from './unreadable.ts'

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
  /** Of definitions that were readable in a process before this one. */
  readonly memory?: Memory
  /** Of this instance. */
  readonly name?: string
  /** The instances that share the store; by itself without. */
  readonly fleet?: Pick<Fleet, 'others' | 'unreadable'>
  /** This instance has come further. */
  readonly onProgress?: () => void
}

const ALONE: NonNullable<ControlHalfOptions['fleet']> = {
  others: () => [],
  unreadable: () => [],
}

/**
 * The control half of an instance: decides commands, checks health, ejects servers that fail requests, compiles tables
 * and hands them to the proxy halves, and knows from their reports what is in force and what is under way.
 */
export class ControlHalf {
  readonly controller: Controller
  readonly progress: Progress
  readonly convergence: Convergence
  readonly startedAt = new Date()
  private readonly store: Store
  private readonly healthBook: HealthBook
  private readonly reports = new Reports()
  private readonly vitals = new Map<string, Vitals>()
  private readonly links = new Map<string, ControlEnd>()
  private readonly onStopped = new Map<string, (cut: number) => void>()
  private expected: readonly string[] = []
  private readonly generations = new Generations()
  private readonly lineage = new Lineage()
  /** What the proxy halves have the table of, or are about to. */
  private followed: State
  /** Compiled services, as long as they stay the same. */
  private readonly tables = new WeakMap<Service, TableService>()

  constructor({ store, resolve, memory, name = 'this instance', fleet = ALONE, onProgress }: ControlHalfOptions) {
    this.store = store
    this.healthBook = new HealthBook(this.links)
    this.progress = new Progress(() => {
      this.generations.applied(this.progress.applied())
      this.convergence.check()
      onProgress?.()
    })
    this.convergence = new Convergence({
      progress: this.progress,
      lineage: this.lineage,
      others: () => fleet.others(),
      unreadable: () => fleet.unreadable(),
      ownName: name,
    })
    this.controller = new Controller(store, resolve, () => this.facts(), memory)
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
   * Has every proxy half stop: listeners close after `acceptForMs`, what is under way has `timeoutMs` more; null = no
   * deadline. Health checks go on meanwhile. Resolves with the number of requests and tunnels that were cut.
   */
  async stopProxies(acceptForMs: number, timeoutMs: number | null): Promise<number> {
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
    this.healthBook.stop()
  }

  /**
   * Takes a proxy half on: it gets the table, and what is known of health. `known`: what it knows itself, from a control
   * half before this one.
   */
  attach(name: string, link: ControlEnd, known: KnownHealth = []): void {
    this.links.set(name, link)
    this.progress.add(name)
    const health = this.healthBook.attach(name, known)
    link.receive((message) => this.receive(name, message))
    const change = wholeTable(this.followed, this.generations.current, this.compiled)
    link.send({ type: 'table', change, health, nowMs: this.store.nowMs() })
  }

  /** The wire to a proxy half is gone, and mostly the half with it. */
  detach(name: string, link: ControlEnd): void {
    // It may have been taken on again by another wire.
    if (this.links.get(name) !== link) return
    this.links.delete(name)
    this.progress.remove(name)
    this.reports.lost(name)
    this.onStopped.get(name)?.(0)
    this.healthBook.detach(name)
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

  /** What a proxy half had under way when it reported last. */
  reportOf(name: string): LoadReport | undefined {
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
      const services = this.servicesOf(keys)
      const isLost = () => wanted !== null && !this.lineage.has(wanted)
      const waited = await this.convergence.wait(goal, keys, Math.max(0, deadline - performance.now()), here, isLost)
      cut += waited.cut
      const reopened = drains.filter((drain) => isReopened(drain, this.state)).map(({ name }) => name)
      const lost = isLost()
      // What came later may have called them back, and sent them to rest again.
      const isCurrent = this.servicesOf(keys).every((service, i) => service === services[i])
      if (isCurrent || lost || reopened.length > 0 || performance.now() >= deadline)
        return { ...waited, reopened, cut, lost }
    }
  }

  /** What this instance cannot follow, by service; null = nothing. */
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

  /** Servers whose first check is not in yet: how many addresses, and some of their keys. */
  unprobed(): { readonly count: number; readonly some: readonly string[] } {
    return this.healthBook.unprobed()
  }

  /** Resolves once a first probe of every checked target has ended, or after `timeoutMs`. */
  firstProbes(timeoutMs: number): Promise<void> {
    return this.healthBook.firstProbes(timeoutMs)
  }

  /** What all proxy halves have under way, added up. */
  collect(): Promise<LoadReport> {
    return this.reports.collect(this.links)
  }

  /** Lines of the access log that were dropped since the start of this control half's proxy halves. */
  get accessLogDropped(): number {
    return this.reports.accessLogDropped
  }

  /** What all proxy halves have counted, as they reported last. */
  counts(): Pick<Totals, 'series' | 'retries'> {
    return this.reports.counts(({ service, pool, version }) => {
      if (service === '') return true
      const pools = own(this.state.services, service)?.spec.pools
      return pools !== undefined && (pool === '' || own(pools, pool)?.version === version)
    })
  }

  private follow(state: State): void {
    const changes = serviceChanges(this.followed, state)
    this.followed = state
    this.lineage.add(state)
    const health = this.healthBook.follow(changes)
    const generation = this.generations.begin(state, changes.changed)
    const change = tableChange(changes, generation, this.compiled)
    const message: ToProxy = { type: 'table', change, health, nowMs: this.store.nowMs() }
    for (const link of this.links.values()) link.send(message)
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

  private readonly compiled = (service: Service): TableService => {
    const known = this.tables.get(service)
    if (known !== undefined) return known
    const table = compileService(service)
    this.tables.set(service, table)
    return table
  }

  /** The services of targets, as they are in force. */
  private servicesOf(keys: readonly string[]): readonly (Service | undefined)[] {
    return keys.map((key) => own(this.state.services, key.slice(0, key.indexOf('/'))))
  }

  private goal(): Goal {
    const { revision, head } = this.state
    return { generation: this.generations.current, state: { revision, head } }
  }

  private facts(): Facts {
    return {
      nowMs: this.store.nowMs(),
      isUp: (key, server, spec) => this.healthBook.isUp(key, server, spec),
      describeHealth: (key, server, spec) => this.healthBook.describe(key, server, spec),
    }
  }
}
