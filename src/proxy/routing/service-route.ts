import type { Balance } from '../../model/spec.ts'
import type { TableService } from '../../model/table.ts'
import type { Counters, Series } from '../../telemetry/counters.ts'
import type { Target } from '../upstream/target.ts'
import type { Targets } from '../upstream/targets.ts'
import type { Policy } from './balance/candidates.ts'
import { leastRequest } from './balance/least-request.ts'
import { roundRobin } from './balance/round-robin.ts'
import { PoolRoute } from './pool-route.ts'
import { RetryBudget } from './retry-budget.ts'

const POLICIES: Readonly<Record<Balance, Policy>> = { leastRequest: leastRequest(), roundRobin }

/** The server and pool chosen for a try. */
export interface Choice {
  /** null = all usable servers of the pool have reached their limits, so the request must be queued. */
  readonly target: Target | null
  readonly pool: PoolRoute
}

/** A service of the table in force; chooses the pool and the server for each request. */
export class ServiceRoute {
  readonly table: TableService
  /** Pools with a share, the largest first. */
  private readonly pools: readonly PoolRoute[]
  /** Series for responses that come from no pool. */
  readonly unrouted: Series
  readonly budget: RetryBudget

  constructor(table: TableService, targets: Targets, counters: Counters, previous: ServiceRoute | undefined) {
    this.table = table
    this.unrouted = counters.seriesFor(table.name, '', '')
    this.budget = previous?.budget ?? new RetryBudget()
    this.budget.share = table.retry.budget
    const policy = POLICIES[table.balance]
    this.pools = table.pools
      .filter((pool) => pool.share > 0)
      .sort((a, b) => b.share - a.share)
      .map((pool) => {
        const before = previous?.pools.find(({ name }) => name === pool.name)
        return new PoolRoute(table, pool, policy, targets, counters, before)
      })
    // With unchanged shares the credits are taken over, so that the split stays exact across tables.
    for (const pool of this.pools) {
      const before = previous?.pools.find(({ name, share }) => name === pool.name && share === pool.share)
      if (before !== undefined && previous?.pools.length === this.pools.length) pool.credit = before.credit
    }
  }

  /**
   * Chooses a server for the next try; null = none can take the request. The split chooses the pool. If that pool has
   * no usable server, the request goes to another pool with a share; if no pool has one, to servers that are not up, as
   * far as `panic` allows. A pool whose servers have only reached their limits keeps its requests. `before`: the pool
   * of the previous try, which a retry keeps. `now`: monotonic ms.
   */
  choose(tried: readonly Target[] | null, now: number, before?: PoolRoute): Choice | null {
    const first = this.pools.length === 1 ? this.pools[0] : (this.samePool(before) ?? this.nextPool())
    if (first === undefined) return null
    const target = first.pick(tried, now)
    if (target !== null || first.hasFull(tried)) return { target, pool: first }
    for (const pool of this.pools) {
      const other = pool === first ? null : pool.pick(tried, now)
      if (other !== null) return { target: other, pool }
    }
    for (const pool of this.pools) if (pool.hasFull(tried)) return { target: null, pool }
    for (const pool of [first, ...this.pools]) {
      const last = pool.pickLastResort(tried, now)
      if (last !== null) return { target: last, pool }
    }
    return null
  }

  /** Number of queued requests. */
  get queued(): number {
    let sum = 0
    for (const pool of this.pools) sum += pool.queue.length
    return sum
  }

  /** Lets queued requests continue after a change that they may have waited for. */
  pump(): void {
    for (const pool of this.pools) pool.queue.pump()
  }

  private samePool(before: PoolRoute | undefined): PoolRoute | undefined {
    return before === undefined ? undefined : this.pools.find(({ name }) => name === before.name)
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
