import { HealthChecker, type LastProbe } from '../health/checker.ts'
import { Outliers, type WatchedPool } from '../health/outlier.ts'
import type { ToControl } from '../model/messages.ts'
import { isOpen, serversOf } from '../model/servers.ts'
import { shareOf } from '../model/split.ts'
import type { Health, State } from '../model/state.ts'
import { currentSplit } from '../model/state.ts'
import type { ControlEnd } from './link.ts'

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

/** What is known of the health of all servers, by checks and by what requests meet there; the proxy halves are told. */
export class HealthBook {
  private readonly checker: HealthChecker
  private readonly outliers = new Outliers()
  private outlierTimer: NodeJS.Timeout | undefined
  private readonly links: ReadonlyMap<string, ControlEnd>
  private readonly state: () => State
  private onFirstProbes: (() => void) | null = null
  /** Targets that are checked now. */
  private checked = new Set<string>()
  /** Targets that count as up without being checked. */
  private unchecked = new Set<string>()

  /** `links`: to the proxy halves there are; `state`: the one in force. */
  constructor(links: ReadonlyMap<string, ControlEnd>, state: () => State) {
    this.links = links
    this.state = state
    this.checker = new HealthChecker({
      onChange: (key) => this.changed([...this.outliers.watch(this.pools(this.state()), performance.now()), key]),
      onProbe: () => this.checkFirstProbes(),
    })
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

  /**
   * Takes a proxy half on. `known`: what it knows itself, from a control half before this one; until the first checks are
   * in, nobody knows better.
   */
  attach(name: string, known: KnownHealth): void {
    this.outliers.attach(name)
    for (const [key, health] of known) this.checker.adopt(key, health === 'down' ? 'down' : 'up')
    const now = performance.now()
    this.outliers.watch(this.pools(this.state()), now)
    const ejected = known.filter(([, health]) => health === 'ejected' || health === 'trial').map(([key]) => key)
    this.outliers.adopt(ejected, name, now)
    this.changed([])
    this.checkFirstProbes()
  }

  /** Tells a proxy half all there is to know. */
  tellAll(name: string, link: ControlEnd): void {
    this.sendTo(name, link, [...this.checked, ...this.unchecked])
  }

  detach(name: string): void {
    this.changed(this.outliers.detach(name))
  }

  /** What requests met at a proxy half. */
  take(name: string, message: Extract<ToControl, { type: 'failures' | 'trial' }>): void {
    const now = performance.now()
    if (message.type === 'trial') {
      this.changed(this.outliers.tried(message.key, message.ok, now))
      return
    }
    this.outliers.recovered(message.recovered)
    this.changed(this.outliers.failed(name, message.counts, now))
  }

  stop(): void {
    clearTimeout(this.outlierTimer)
    this.checker.stop()
  }

  /** Checks the servers of `state` from now on. `handOut`: puts its table in force; called when its turn has come. */
  follow(state: State, handOut: () => void): void {
    const services = Object.values(state.services)
    const servers = services.flatMap((service) => serversOf(service).map((server) => ({ server, spec: service.spec })))
    const before = this.checked
    this.unchecked = new Set(servers.filter(({ spec }) => spec.health === null).map(({ server }) => server.key))
    const targets = servers.flatMap(({ server, spec }) =>
      spec.health === null || server.state === 'maint'
        ? []
        : [{ key: server.key, url: server.url, ...(server.tls && { tls: server.tls }), spec: spec.health }],
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
    this.send([...forgotten, ...changed.filter(isBack)])
    handOut()
    // A target that counted as up unchecked until now has to prove it from here on.
    this.changed([...added, ...changed.filter((key) => !isBack(key))])
  }

  private checkFirstProbes(): void {
    if (this.onFirstProbes === null || !this.allProbed()) return
    this.onFirstProbes()
    this.onFirstProbes = null
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

  /** Tells the proxy halves what has changed, and gives out trials when they are due. */
  private changed(keys: readonly string[]): void {
    this.send(keys)
    clearTimeout(this.outlierTimer)
    const nextAt = this.outliers.nextAt()
    if (nextAt === null) return
    const advance = (): void => this.changed(this.outliers.advance(performance.now()))
    this.outlierTimer = setTimeout(advance, Math.max(0, nextAt - performance.now())).unref()
  }

  private send(keys: readonly string[]): void {
    for (const [name, link] of this.links) this.sendTo(name, link, keys)
  }

  private sendTo(name: string, link: ControlEnd, keys: readonly string[]): void {
    if (keys.length === 0) return
    const changes = keys.map((key) => {
      const standing = this.outliers.standing(key, name)
      return [key, standing === 'in' ? this.found(key).health : standing] as const
    })
    link.send({ type: 'health', changes })
  }
}
