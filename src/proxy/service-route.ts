import type { Balance } from '../model/spec.ts'
import type { TablePool, TableService } from '../model/table.ts'
import type { Counters, Series } from '../telemetry/counters.ts'
import type { Member, Policy } from './balance/candidates.ts'
import { candidates } from './balance/candidates.ts'
import { leastRequest } from './balance/least-request.ts'
import { roundRobin } from './balance/round-robin.ts'
import { RetryBudget } from './retry-budget.ts'
import type { Target } from './target.ts'
import type { Targets } from './targets.ts'

const POLICIES: Readonly<Record<Balance, Policy>> = { leastRequest: leastRequest(), roundRobin }

/** A server chosen for a try, and what its answers are counted under. */
export interface Choice {
  readonly target: Target
  readonly pool: PoolRoute
}

/** A pool of the table in force. */
export class PoolRoute {
  readonly name: string
  readonly version: string
  readonly share: number
  readonly series: Series
  /** Shares are dealt out like weights in smooth round robin: what this pool is owed. */
  credit = 0
  private readonly targets: Targets
  private readonly members: readonly Member[]
  private readonly policy: Policy
  private readonly panic: number
  private available: readonly Member[] = []
  /** Where requests go, rather than nowhere, when none of them is up. */
  private lastResort: readonly Member[] = []
  /** An ejected server that shall get one request. */
  private onTrial: Target | null = null
  private seenEpoch = -1

  /** `previous`: the same pool in the table before; its servers go on where they stood in turn. */
  constructor(
    { name: service, panic }: TableService,
    pool: TablePool,
    policy: Policy,
    targets: Targets,
    counters: Counters,
    previous: PoolRoute | undefined,
  ) {
    this.name = pool.name
    this.version = pool.version
    this.share = pool.share
    this.policy = policy
    this.panic = panic
    this.targets = targets
    this.series = counters.seriesFor(service, pool.name, pool.version)
    const credits = new Map(previous?.members.map(({ target, credit }) => [target, credit]))
    this.members = pool.servers
      .filter((server) => server.open)
      .map(({ key, weight }) => {
        const target = targets.get(key)
        return { target, weight, credit: credits.get(target) ?? 0 }
      })
  }

  /** A server for a request that has already tried `tried`; null when there is none. `now`: monotonic ms. */
  pick(tried: readonly Target[] | null, now: number): Target | null {
    if (this.seenEpoch !== this.targets.epoch) this.follow()
    if (this.onTrial !== null && tried === null) return this.onTrial
    return this.pickFrom(this.available, tried, now)
  }

  /** A server that is not up, for a request that no pool has another one for; null unless in panic. */
  pickLastResort(tried: readonly Target[] | null, now: number): Target | null {
    return this.pickFrom(this.lastResort, tried, now)
  }

  private pickFrom(members: readonly Member[], tried: readonly Target[] | null, now: number): Target | null {
    const usable = candidates(members, tried, now)
    return usable.length === 0 ? null : this.policy.pick(usable).target
  }

  /** Works out what follows from the health of the servers. */
  private follow(): void {
    this.seenEpoch = this.targets.epoch
    const open = this.members.filter(({ target }) => !target.isClosed())
    const up = open.filter(({ target }) => target.health === 'up')
    const known = open.filter(({ target }) => target.health !== 'unknown')
    const inPanic = up.length * 100 < this.panic * known.length
    this.available = inPanic && up.length > 0 ? known : up
    this.lastResort = inPanic && up.length === 0 ? known : []
    this.onTrial = open.find(({ target }) => target.health === 'trial')?.target ?? null
  }
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
   * either, to servers that are not up, if `panic` has it so. `before`: the pool of the try before, which a retry keeps.
   */
  choose(tried: readonly Target[] | null, now: number, before?: PoolRoute): Choice | null {
    const first = this.pools.length === 1 ? this.pools[0] : (this.samePool(before) ?? this.nextPool())
    if (first === undefined) return null
    const target = first.pick(tried, now)
    if (target !== null) return { target, pool: first }
    for (const pool of this.pools) {
      const other = pool === first ? null : pool.pick(tried, now)
      if (other !== null) return { target: other, pool }
    }
    for (const pool of [first, ...this.pools]) {
      const last = pool.pickLastResort(tried, now)
      if (last !== null) return { target: last, pool }
    }
    return null
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
