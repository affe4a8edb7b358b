import type { TablePool, TableService } from '../../model/table.ts'
import type { Counters, Series } from '../../telemetry/counters.ts'
import type { Target } from '../upstream/target.ts'
import type { Targets } from '../upstream/targets.ts'
import type { Member, Policy } from './balance/candidates.ts'
import { candidates } from './balance/candidates.ts'
import { Queue } from './queue.ts'

/** A pool of the table in force. */
export class PoolRoute {
  readonly name: string
  readonly version: string
  readonly share: number
  readonly series: Series
  /** Requests that wait for one of its servers. */
  readonly queue: Queue
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
    this.queue = previous?.queue ?? new Queue()
    const credits = previous && new Map(previous.members.map(({ target, credit }) => [target, credit]))
    this.members = pool.servers
      .filter((server) => server.open)
      .map(({ key, weight }) => {
        const target = targets.get(key)
        target.queue = this.queue
        return { target, weight, credit: credits?.get(target) ?? 0 }
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

  /** Whether a server would do for this request but for its limit. */
  hasFull(tried: readonly Target[] | null): boolean {
    if (this.seenEpoch !== this.targets.epoch) this.follow()
    return this.available.some(({ target }) => target.isFull() && tried?.includes(target) !== true)
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
