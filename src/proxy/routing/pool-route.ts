import type { TablePool, TableService } from '../../model/table.ts'
import type { Counters, Series } from '../../telemetry/counters.ts'
import type { Target } from '../upstream/target.ts'
import type { Targets } from '../upstream/targets.ts'
import type { Member, Policy } from './balance/candidates.ts'
import { candidates } from './balance/candidates.ts'
import { hashed } from './hash.ts'
import { Queue } from './queue.ts'
import type { RoutedRequest } from './routed-request.ts'

/** A pool of the table in force, which picks servers for requests. */
export class PoolRoute {
  readonly name: string
  readonly version: string
  readonly share: number
  readonly series: Series
  /** Requests that are queued for a server of this pool. */
  readonly queue: Queue
  /** Credit of this pool for smooth weighted round robin over the shares; see `ServiceRoute.nextPool`. */
  credit = 0
  private readonly targets: Targets
  private readonly members: readonly Member[]
  private readonly policy: Policy
  private readonly panic: number
  private available: readonly Member[] = []
  /** Servers that get requests in panic while no server is up. */
  private lastResort: readonly Member[] = []
  /** The ejected server that gets one trial request; null = none. */
  private onTrial: Target | null = null
  private seenEpoch = -1

  /** `previous`: the same pool in the previous table; its queue and the credits of its servers are taken over. */
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
    this.queue = previous?.queue ?? new Queue()
    const credits = previous && new Map(previous.members.map(({ target, credit }) => [target, credit]))
    this.members = pool.servers
      .filter((server) => server.open)
      .map(({ key, name, weight }) => {
        const target = targets.get(key)
        target.queue = this.queue
        return { target, weight, seed: hashed(name), credit: credits?.get(target) ?? 0 }
      })
  }

  /** Whether it has a server that takes requests, whatever its health. */
  get isOpen(): boolean {
    return this.members.length > 0
  }

  /** Number of servers that take requests and are up. */
  get up(): number {
    let count = 0
    for (const { target } of this.members) if (target.health === 'up' && !target.isClosed()) count++
    return count
  }

  /** Picks a server that is not in `tried`; null = there is none. `now`: monotonic ms. */
  pick(tried: readonly Target[] | null, now: number, request: RoutedRequest | null): Target | null {
    if (this.seenEpoch !== this.targets.epoch) this.updateHealth()
    if (this.onTrial !== null && tried === null) return this.onTrial
    return this.pickFrom(this.available, tried, now, request)
  }

  /** Picks a server that is not up, for a request that no pool has a server for; null unless in panic. */
  pickLastResort(tried: readonly Target[] | null, now: number, request: RoutedRequest | null): Target | null {
    return this.pickFrom(this.lastResort, tried, now, request)
  }

  /** Whether a server could take this request if it had not reached its limit. */
  hasFull(tried: readonly Target[] | null): boolean {
    if (this.seenEpoch !== this.targets.epoch) this.updateHealth()
    return this.available.some(({ target }) => target.isFull() && tried?.includes(target) !== true)
  }

  private pickFrom(
    members: readonly Member[],
    tried: readonly Target[] | null,
    now: number,
    request: RoutedRequest | null,
  ): Target | null {
    const usable = candidates(members, tried, now)
    return usable.length === 0 ? null : this.policy.pick(usable, request).target
  }

  /** Sorts the servers by their current health. */
  private updateHealth(): void {
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
