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

/** A server chosen for a try, and what its answers are counted under. */
export interface Choice {
  /** null = those of the pool that could take it have reached their limits: it has to wait. */
  readonly target: Target | null
  readonly pool: PoolRoute
}

/** A service of the table in force: its policies, and who gets the next request. */
export class ServiceRoute {
  readonly table: TableService
  /** Pools with a share, the largest first. */
  private readonly pools: readonly PoolRoute[]
  /** Where answers are counted that no pool gave. */
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
    // A new table with the old shares goes on where the old one stopped, so that shares stay exact across it.
    for (const pool of this.pools) {
      const before = previous?.pools.find(({ name, share }) => name === pool.name && share === pool.share)
      if (before !== undefined && previous?.pools.length === this.pools.length) pool.credit = before.credit
    }
  }

  /**
   * A server for the next try; null when none can take it. The split chooses the pool; where that pool has no server
   * left, the request goes to another pool that has a share, rather than being lost; and only where there is none
   * either, to servers that are not up, if `panic` has it so. A pool whose servers have reached their limits keeps its
   * requests. `before`: the pool of the try before, which a retry keeps.
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

  /** Requests that wait for a server. */
  get queued(): number {
    let sum = 0
    for (const pool of this.pools) sum += pool.queue.length
    return sum
  }

  /** Something has changed that requests may have waited for. */
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
