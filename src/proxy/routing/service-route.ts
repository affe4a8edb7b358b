import type { HookPool } from '../../hooks/types.ts'
import type { Balance } from '../../model/spec.ts'
import type { TableService } from '../../model/table.ts'
import { NO_POLICIES } from '../../model/traffic-policies.ts'
import type { Counters } from '../../telemetry/counters.ts'
import type { Row } from '../../telemetry/ticks/row.ts'
import { type FieldEdit, fieldEdit } from '../field-edit.ts'
import { poolViews } from '../hooks/pool-view.ts'
import type { Target } from '../upstream/target.ts'
import type { Targets } from '../upstream/targets.ts'
import type { Policy } from './balance/candidates.ts'
import { hash } from './balance/hash.ts'
import { leastRequest } from './balance/least-request.ts'
import { roundRobin } from './balance/round-robin.ts'
import { Cohort } from './cohort.ts'
import type { Fuse } from './fuse.ts'
import { HeldRequests, type HeldTotal } from './held-requests.ts'
import { Mirror } from './mirror.ts'
import { PoolRoute } from './pool-route.ts'
import { RetryBudget } from './retry-budget.ts'
import { RouteRules } from './route-rules.ts'
import type { RoutedRequest } from './routed-request.ts'
import { Sticky, type StickyServer } from './sticky.ts'

const LEAST_REQUEST = leastRequest()

/** The server and pool chosen for a try. */
export interface Choice {
  /** null = all usable servers of the pool have reached their limits, so the request must be queued. */
  readonly target: Target | null
  readonly pool: PoolRoute
}

/** A service of the table in force; chooses the pool and the server for each request. */
export class ServiceRoute {
  readonly table: TableService
  /** Whether a policy of this service looks at requests; otherwise `choose` needs none. */
  readonly looksAtRequests: boolean
  /** Changes to the field lines for servers and for clients; null = none. */
  readonly requestEdit: FieldEdit | null
  readonly responseEdit: FieldEdit | null
  /** null = off. */
  readonly sticky: Sticky | null
  /** Counts of responses that come from no pool. */
  readonly unrouted: Row
  readonly budget: RetryBudget
  /** null = no request is copied. */
  readonly mirror: Mirror | null
  /** null = there is no rollout, or it has no fuse. */
  readonly fuse: Fuse | null
  /** Pools that get requests, those with the largest shares first. */
  private readonly all: readonly PoolRoute[]
  /** Pools with a share, the largest first. */
  readonly pools: readonly PoolRoute[]
  readonly routes: RouteRules<PoolRoute> | null
  readonly cohort: Cohort<PoolRoute> | null
  private readonly heldTotal: HeldTotal
  private lazyHeld: HeldRequests | null
  /** See `poolViews`. */
  private lazyPoolViews: readonly HookPool[] | null = null

  constructor(
    table: TableService,
    targets: Targets,
    counters: Counters,
    heldTotal: HeldTotal,
    previous: ServiceRoute | undefined,
    fuse: Fuse | null = null,
  ) {
    const { name, traffic = NO_POLICIES } = table
    this.table = table
    this.fuse = fuse
    this.unrouted = counters.row(counters.seriesFor(name, '', ''), table.decision)
    this.budget = previous?.budget ?? new RetryBudget()
    this.budget.share = table.retry.budget
    this.heldTotal = heldTotal
    this.lazyHeld = previous?.lazyHeld ?? null
    const policy = policyOf(table.balance, name, counters)
    const routed = new Set(traffic.routes.map(({ to }) => to))
    this.all = table.pools
      .filter((pool) => pool.share > 0 || routed.has(pool.name))
      .sort((a, b) => b.share - a.share)
      .map((pool) => {
        const { name: own } = pool
        const counter = fuse?.counterOf(own) ?? null
        return new PoolRoute(table, pool, policy, targets, counters, previous?.poolNamed(own), counter)
      })
    this.pools = this.all.filter(({ share }) => share > 0)
    // With unchanged shares the credits are taken over, so that the split stays exact across tables.
    for (const pool of this.pools) {
      const before = previous?.pools.find((each) => each.name === pool.name && each.share === pool.share)
      if (before !== undefined && previous?.pools.length === this.pools.length) pool.credit = before.credit
    }
    const poolOf = (pool: string): PoolRoute => this.poolNamed(pool) as PoolRoute
    this.routes = traffic.routes.length === 0 ? null : new RouteRules(name, traffic.routes, poolOf, counters)
    this.requestEdit = fieldEdit(traffic.headers?.request)
    this.responseEdit = fieldEdit(traffic.headers?.response)
    const { splitBy, sticky } = traffic
    const poolNamed = (pool: string) => this.poolNamed(pool)
    this.sticky = sticky && new Sticky(name, sticky, table.pools, poolNamed, targets, counters)
    this.cohort = splitBy === 'request' ? null : new Cohort(name, splitBy, this.pools, counters)
    this.mirror = this.createMirror(policy, targets, counters, previous)
    this.looksAtRequests =
      this.routes !== null || this.cohort !== null || this.sticky !== null || typeof table.balance !== 'string'
  }

  /**
   * Chooses a server for the next try; null = none can take the request. The first route that fits chooses the pool, or
   * else the split does; the cookie of `sticky` chooses the server in that pool, and the pool as well if the split is by
   * request. If the pool of the split has no usable server, the request goes to another pool with a share; if no pool has
   * one, to servers that are not up, as far as `panic` allows. A pool whose servers have only reached their limits keeps
   * its requests. `before`: the pool of the previous try, which a retry keeps. `request`: null if `looksAtRequests` is
   * false. `chosen`: the pool that a hook has chosen; while it has no usable server, routes and split decide. `now`: monotonic
   * ms.
   */
  choose(
    tried: readonly Target[] | null,
    now: number,
    before?: PoolRoute,
    request: RoutedRequest | null = null,
    chosen: PoolRoute | null = null,
  ): Choice | null {
    const kept = request === null ? null : (this.sticky?.serverOf(request, tried, now) ?? null)
    if (chosen !== null) {
      const target = pick(chosen, kept, tried, now, request)
      if (target !== null || chosen.hasFull(tried)) return { target, pool: chosen }
    }
    const rule = request === null ? null : (this.routes?.find(request) ?? null)
    if (rule !== null) {
      const { pool } = rule
      const target = pick(pool, kept, tried, now, request)
      const takes = target !== null || pool.hasFull(tried)
      if (before === undefined && (takes || rule.fails)) rule.count()
      if (takes) return { target, pool }
      if (rule.fails) return lastResort([pool], tried, now, request)
    }
    return this.chooseBySplit(tried, now, before, request, kept)
  }

  private chooseBySplit(
    tried: readonly Target[] | null,
    now: number,
    before: PoolRoute | undefined,
    request: RoutedRequest | null,
    kept: StickyServer | null,
  ): Choice | null {
    const { cohort, pools } = this
    const client = request === null || cohort === null ? null : cohort.hashOf(request, before === undefined)
    const first = client === null ? this.poolFor(before, kept) : (cohort as Cohort<PoolRoute>).pick(client)
    if (first === undefined) return null
    const target = pick(first, kept, tried, now, request)
    if (target !== null || first.hasFull(tried)) return { target, pool: first }
    const inOrder = client === null ? pools : (cohort as Cohort<PoolRoute>).order(client)
    for (const pool of inOrder) {
      const other = pool === first ? null : pick(pool, kept, tried, now, request)
      if (other !== null) return { target: other, pool }
    }
    for (const pool of inOrder) if (pool.hasFull(tried)) return { target: null, pool }
    return lastResort([first, ...inOrder], tried, now, request)
  }

  /** Requests that are held while the service is paused. */
  get held(): HeldRequests {
    this.lazyHeld ??= new HeldRequests(this.heldTotal)
    return this.lazyHeld
  }

  /** Number of held requests. */
  get heldCount(): number {
    return this.lazyHeld?.size ?? 0
  }

  /** Lets held requests continue if the service is not paused any more. */
  releaseHeld(): void {
    this.lazyHeld?.release()
  }

  /** The pools that get requests, as hooks see them. */
  get poolViews(): readonly HookPool[] {
    this.lazyPoolViews ??= poolViews(this.all)
    return this.lazyPoolViews
  }

  /** Finds a pool that a hook may choose: it gets requests, and has a server that takes some; null = there is none. */
  choosable(name: string): PoolRoute | null {
    const pool = this.poolNamed(name)
    return pool?.isOpen === true ? pool : null
  }

  /** Names of the pools that a hook may choose. */
  get choosableNames(): readonly string[] {
    return this.all.filter(({ isOpen }) => isOpen).map(({ name }) => name)
  }

  /** Pools with queued requests. */
  get queues(): readonly PoolRoute[] {
    return this.all.filter(({ queue }) => queue.length > 0)
  }

  /** Lets queued requests continue after a change that they may have waited for. */
  pump(): void {
    for (const pool of this.all) pool.queue.pump()
  }

  /** Takes over the mirror of the previous table. */
  private createMirror(
    policy: Policy,
    targets: Targets,
    counters: Counters,
    previous: ServiceRoute | undefined,
  ): Mirror | null {
    const { table } = this
    const rule = table.traffic?.mirror ?? null
    const copied = table.pools.find(({ name }) => name === rule?.to)
    if (rule === null || copied === undefined) return null
    // A route of its own, so that copies do not take the turns of requests.
    const pool = new PoolRoute(table, copied, policy, targets, counters, this.poolNamed(rule.to))
    const settings = { rule, table, pool }
    const mirror = previous?.mirror ?? new Mirror(settings, counters)
    mirror.settings = settings
    return mirror
  }

  /** The pool of this name, if it gets requests. */
  poolNamed(name: string): PoolRoute | undefined {
    return this.all.find((pool) => pool.name === name)
  }

  /** The pool of a request by the shares; a retry keeps its pool, and a client that of its cookie. */
  private poolFor(before: PoolRoute | undefined, kept: StickyServer | null): PoolRoute | undefined {
    if (this.pools.length === 1) return this.pools[0]
    if (kept !== null && kept.pool.share > 0) return kept.pool
    return (before === undefined ? undefined : this.pools.find(({ name }) => name === before.name)) ?? this.nextPool()
  }

  private nextPool(): PoolRoute | undefined {
    let best: PoolRoute | undefined
    let sum = 0
    for (const pool of this.pools) {
      pool.credit += pool.share
      sum += pool.share
      if (best === undefined || pool.credit > best.credit) best = pool
    }
    if (best !== undefined) best.credit -= sum
    return best
  }
}

function policyOf(balance: Balance, service: string, counters: Counters): Policy {
  if (balance === 'roundRobin') return roundRobin
  return balance === 'leastRequest'
    ? LEAST_REQUEST
    : hash(balance.hash, LEAST_REQUEST, counters.tally('spilled', service, ''))
}

/** Picks a server of a pool: that of the client's cookie if it is in this pool, or else by its policy. */
function pick(
  pool: PoolRoute,
  kept: StickyServer | null,
  tried: readonly Target[] | null,
  now: number,
  request: RoutedRequest | null,
): Target | null {
  return kept !== null && kept.pool === pool ? kept.target : pool.pick(tried, now, request)
}

/** Picks a server that is not up, of the first of these pools that is in panic. */
function lastResort(
  pools: readonly PoolRoute[],
  tried: readonly Target[] | null,
  now: number,
  request: RoutedRequest | null,
): Choice | null {
  for (const pool of pools) {
    const target = pool.pickLastResort(tried, now, request)
    if (target !== null) return { target, pool }
  }
  return null
}
