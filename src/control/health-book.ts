import type { LastProbe, TargetHealth } from '../health/check.ts'
import { addressOf, HealthChecker } from '../health/checker.ts'
import { Outliers, type WatchedPool } from '../health/outlier.ts'
import type { HealthView } from '../model/handover.ts'
import type { KnownHealth, ToControl } from '../model/messages.ts'
import type { ServerAddress } from '../model/server-address.ts'
import type { ServiceChanges } from '../model/service-changes.ts'
import type { HealthSpec, ServerSpec } from '../model/spec.ts'
import type { Health, Service } from '../model/state.ts'
import { LongTimer } from '../time/long-timer.ts'
import { FirstRounds } from './first-rounds.ts'
import { checkedTarget, type FollowedPool, type FollowedServer, FollowedServers } from './followed-servers.ts'
import type { ControlEnd } from './link.ts'
import { NextServers } from './next-servers.ts'
import { SlowStarts } from './slow-starts.ts'
import { watchedPools } from './watched-pools.ts'

/** Health of a server, by its checks and by ejection. */
export interface ServerHealth {
  readonly health: Health
  /** Whether a probe has ended, or the health was learned otherwise. */
  readonly probed: boolean
  readonly last: LastProbe | null
  /** When checks found its health, or when it was ejected, ISO 8601; absent = none has, in this process. */
  readonly since?: string
  /** Until when an ejected server gets no request at all, ISO 8601; absent = one request may try it. */
  readonly ejectedUntil?: string
}

const UNCHECKED_UP: TargetHealth = { health: 'up', probed: true, last: null }

/**
 * Health of all servers, from checks and from failed requests; sends changes to the proxies. The changes of one turn of
 * the event loop are sent in one message; their cost depends on the size of the pools concerned. Servers of definitions
 * that are not in force yet are checked, too; the proxies do not know them.
 */
export class HealthBook {
  private readonly checker: HealthChecker
  private readonly outliers = new Outliers()
  private readonly servers = new FollowedServers()
  private readonly next: NextServers
  readonly firstRounds: FirstRounds
  private readonly slowStarts = new SlowStarts((key) => this.healthInForce(key).health === 'up')
  private readonly links: ReadonlyMap<string, ControlEnd>
  private readonly onChange: () => void
  private readonly onProbe: (key: string, last: LastProbe) => void
  private readonly onHealth: (keys: readonly string[]) => void
  /** Pools with servers whose health by checks has changed in this turn of the event loop. */
  private touched = new Set<FollowedPool>()
  /** Keys of servers whose health is sent to the proxies at the end of this turn. */
  private pending = new Set<string>()
  private scheduled: NodeJS.Immediate | null = null
  private outlierTimer: LongTimer | null = null

  /**
   * `links`: to the current proxies; read whenever health is sent. `onChange`: called at the end of a turn of the event
   * loop in which health has changed. `onProbe`: called after every check of a server. `onHealth`: called with the
   * servers whose health may have changed, once the proxies know.
   */
  constructor(
    links: ReadonlyMap<string, ControlEnd>,
    onChange: () => void = () => undefined,
    onProbe: HealthBook['onProbe'] = () => undefined,
    onHealth: HealthBook['onHealth'] = () => undefined,
  ) {
    this.links = links
    this.onChange = onChange
    this.onProbe = onProbe
    this.onHealth = onHealth
    this.checker = new HealthChecker({
      onChange: (key) => this.found(key),
      onProbe: (key, last) => this.probed(key, last),
    })
    this.next = new NextServers(this.checker)
    this.firstRounds = new FirstRounds(this.checker)
  }

  /** Health of a server by the current definition of its service, even if that is not in force yet. */
  health(key: string): ServerHealth {
    const next = this.next.get(key)
    if (next === undefined) return this.healthInForce(key)
    const { server, from } = next
    return this.withEjection(this.byChecks(server), from?.key ?? '')
  }

  /** Health of a server that the proxies know. */
  healthInForce(key: string): ServerHealth {
    return this.withEjection(this.byChecks(this.servers.get(key)), key)
  }

  /** Whether a server is up, or would be if it was added under this key. */
  isUp(key: string, server: ServerSpec, spec: HealthSpec): boolean {
    return this.healthUnder(key, server, spec)?.health === 'up'
  }

  /** Describes the current health of a server, or its health if added under this key: `down (status 503)`. */
  describe(key: string, server: ServerSpec, spec: HealthSpec): string {
    const { health, last } = this.healthUnder(key, server, spec) ?? { health: 'unknown', last: null }
    if (health === 'ejected') return 'ejected, since requests failed there'
    if (health === 'unknown' && last === null) return 'not checked yet'
    return last === null || last.error === null ? health : `${health} (${last.error})`
  }

  /** Part of its weight that a server has now; below 1 in slow start. */
  weightShare(key: string): number {
    const server = this.servers.get(key)
    return server === undefined ? 1 : this.slowStarts.weightShare(server, performance.now())
  }

  private healthUnder(key: string, server: ServerSpec, spec: HealthSpec): ServerHealth | null {
    return this.isKnown(key, server) ? this.health(key) : this.checker.find(server, spec)
  }

  /** Checks these servers now instead of at the end of their intervals. */
  probeNow(keys: Iterable<string>): void {
    this.checker.probeNow(keys)
  }

  /** Whether a server is in its first round of checks, by the current definition of its service. */
  isUndecided(key: string): boolean {
    return this.checker.isUndecided(this.next.get(key)?.server.key ?? key)
  }

  /** Whether a server is known by a definition that is in force or waits for its servers, at this address. */
  isKnown(key: string, address: ServerAddress): boolean {
    const known = this.next.get(key)?.server ?? this.servers.get(key)
    return known !== undefined && addressOf(known) === addressOf(address)
  }

  /** What is known of servers by the definitions that the proxies know; see `Handovers`. */
  readonly inForce: HealthView = {
    isUp: ({ key }) => this.healthInForce(key).health === 'up',
    isUndecided: ({ key }) => this.checker.isUndecided(key),
  }

  /** The same by the current definitions. */
  readonly current: HealthView = {
    isUp: ({ key }) => this.health(key).health === 'up',
    isUndecided: ({ key }) => this.isUndecided(key),
  }

  /**
   * Adds a proxy. `known`: the health that the proxy has from a previous control process; it counts until the first
   * checks have results, and its slow starts continue. Returns the health of all servers for the proxy.
   */
  attach(name: string, known: KnownHealth): KnownHealth {
    this.outliers.attach(name)
    const adopted = known.flatMap(([key, health]) => this.checker.adopt(key, health === 'down' ? 'down' : 'up'))
    for (const key of adopted) this.found(key)
    this.settle()
    const now = performance.now()
    const ejected = known.filter(([, health]) => health === 'ejected' || health === 'trial').map(([key]) => key)
    this.queue(this.outliers.adopt(ejected, name, now))
    this.slowStarts.adopt(known, this.servers, now)
    this.firstRounds.check()
    return [...this.servers.all()].map((server) => this.slowStarts.entry(server, this.healthFor(server.key, name), now))
  }

  detach(name: string): void {
    this.queue(this.outliers.detach(name))
  }

  /** Takes the failures or the trial outcome that a proxy reports. */
  take(name: string, message: Extract<ToControl, { type: 'failures' | 'trial' }>): void {
    const now = performance.now()
    if (message.type === 'trial') this.queue(this.outliers.tried(message.key, message.outcome, now))
    else {
      this.outliers.recovered(message.recovered)
      this.queue(this.outliers.failed(name, message.counts, now))
    }
  }

  stop(): void {
    this.outlierTimer?.cancel()
    if (this.scheduled !== null) clearImmediate(this.scheduled)
    this.checker.stop()
    this.firstRounds.stop()
  }

  /**
   * Checks the servers of these services by their new definitions from now on. Health carries over to a new key with
   * the same address, and to a check with another spec. Returns the health to send to the proxies with the table.
   */
  follow(changes: ServiceChanges): KnownHealth {
    this.settle()
    const now = performance.now()
    const followed = this.servers.follow(changes, this.isPreferred)
    const { servers, pools, before, gone, carried } = followed
    const targets = servers.flatMap((server) => checkedTarget(server, this.byChecks(carried.get(server.key))))
    const unchecked = servers.filter(({ isChecked }) => !isChecked).map(({ key }) => key)
    this.checker.change(targets, [...gone, ...unchecked])
    const moved = [...carried].filter(([key, from]) => key !== from.key)
    const keysBefore = new Map(moved.map(([key, from]) => [key, from.key]))
    const watched = pools.flatMap((pool) => this.watched(pool))
    this.queue(this.outliers.watch(watched, now, keysBefore))
    this.slowStarts.follow(followed, now)
    // Left out: servers that stay ejected, because a proxy may have a trial for them.
    const sent = servers.filter(({ key }) => !before.has(key) || !this.outliers.isEjected(key))
    return sent.map((server) => this.slowStarts.entry(server, this.healthInForce(server.key).health, now))
  }

  /**
   * Checks the servers of these services, which are not in force yet, and no longer those given before. `replaced`: names
   * of the services in force that they replace: the health of a server there carries over to the same address.
   */
  prepare(services: readonly Service[], replaced: readonly string[]): void {
    const before = this.servers.of(replaced)
    this.next.follow(services, before, this.isPreferred, (server) => this.byChecks(server))
  }

  private readonly isPreferred = (server: FollowedServer, other: FollowedServer): boolean =>
    this.byChecks(server).health === 'up' && this.byChecks(other).health !== 'up'

  /** Handles a change of a server's health by its checks. */
  private found(key: string): void {
    const server = this.servers.get(key)
    if (server === undefined) return
    this.touched.add(server.pool)
    this.queue([key])
  }

  private probed(key: string, last: LastProbe): void {
    // The end of a first round of checks may end a handover, whatever its result.
    if (this.next.size > 0) this.queue([])
    if (last.ok && this.outliers.isEjected(key)) {
      // A check of another port says nothing about the port that could not be reached.
      const port = this.servers.get(key)?.spec?.port ?? 0
      const now = performance.now()
      if (port === 0) this.queue(this.outliers.passed(key, now - last.ms, now))
    }
    this.firstRounds.check()
    this.onProbe(key, last)
  }

  /** Health of a server by its checks alone; up if it is not checked. */
  private byChecks(server: FollowedServer | undefined): TargetHealth {
    return server?.spec === null ? UNCHECKED_UP : this.checker.get(server?.key ?? '')
  }

  /** What checks know of a server, unless the server that the proxies know by this key is ejected. */
  private withEjection(byChecks: TargetHealth, key: string): ServerHealth {
    const ejection = this.outliers.ejection(key)
    if (ejection === null) return byChecks
    const { since, until } = ejection
    const ended = until === null ? {} : { ejectedUntil: timeAt(until) }
    return { ...byChecks, health: 'ejected', since: timeAt(since), ...ended }
  }

  private watched(pool: FollowedPool): readonly WatchedPool[] {
    return watchedPools(pool, (server) => this.byChecks(server).health === 'up')
  }

  /** Updates ejection with the changes that checks have found in this turn. */
  private settle(): void {
    if (this.touched.size === 0) return
    const pools = [...this.touched].flatMap((pool) => this.watched(pool))
    this.touched = new Set()
    this.queue(this.outliers.watch(pools, performance.now()))
  }

  /** Sends the health of these servers to the proxies at the end of this turn of the event loop. */
  private queue(keys: readonly string[]): void {
    for (const key of keys) this.pending.add(key)
    this.scheduled ??= setImmediate(() => this.send())
  }

  /** Sends pending changes to the proxies now, instead of at the end of this turn. */
  sendPending(): void {
    if (this.scheduled === null) return
    clearImmediate(this.scheduled)
    this.send()
  }

  private send(): void {
    this.settle()
    this.scheduled = null
    const servers = [...this.pending].flatMap((key) => this.servers.get(key) ?? [])
    this.pending = new Set()
    if (servers.length > 0) {
      const now = performance.now()
      this.slowStarts.update(servers, now)
      for (const [name, link] of this.links) {
        const changes = servers.map((server) => this.slowStarts.entry(server, this.healthFor(server.key, name), now))
        link.send({ type: 'health', changes })
      }
      this.onHealth(servers.map(({ key }) => key))
    }
    this.giveOutTrialsWhenDue()
    this.onChange()
  }

  private giveOutTrialsWhenDue(): void {
    this.outlierTimer?.cancel()
    const nextAt = this.outliers.nextAt()
    if (nextAt === null) return
    const advance = () => this.queue(this.outliers.advance(performance.now()))
    this.outlierTimer = new LongTimer(nextAt - performance.now(), advance).unref()
  }

  /** Health of a server for one proxy: `trial` if the proxy has the trial. */
  private healthFor(key: string, proxy: string): KnownHealth[number][1] {
    const ejectionState = this.outliers.ejectionState(key, proxy)
    return ejectionState === 'in' ? this.byChecks(this.servers.get(key)).health : ejectionState
  }
}

/** A monotonic time, ms, as ISO 8601. */
function timeAt(ms: number): string {
  return new Date(Date.now() + ms - performance.now()).toISOString()
}
