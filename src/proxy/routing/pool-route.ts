import { onDuty } from '../../model/backups.ts'
import type { ServerVerdict } from '../../model/explain.ts'
import type { TablePool, TableService } from '../../model/table.ts'
import type { Counters } from '../../telemetry/counters.ts'
import type { Series } from '../../telemetry/series.ts'
import type { Row } from '../../telemetry/ticks/row.ts'
import type { Target } from '../upstream/target.ts'
import type { Targets } from '../upstream/targets.ts'
import type { Member, Policy } from './balance/candidates.ts'
import { candidates } from './balance/candidates.ts'
import { SlowStart } from './balance/slow-start.ts'
import type { TryCounter } from './fuse.ts'
import { hashed } from './hash.ts'
import { Queue } from './queue.ts'
import type { RoutedRequest } from './routed-request.ts'
import { VersionsSeen } from './versions-seen.ts'

/** A pool of the table in force, which picks servers for requests. */
export class PoolRoute {
  readonly name: string
  readonly version: string
  readonly share: number
  /** Whether one of its servers is told of clients by a PROXY header. */
  readonly tellsClients: boolean
  /** Requests that are queued for a server of this pool. */
  readonly queue: Queue
  /** Versions that the servers report; null = not asked for. */
  readonly versions: VersionsSeen | null
  /** Counts tries for the fuse of a rollout; null = none does. */
  readonly fuse: TryCounter | null
  /** Credit of this pool for smooth weighted round robin over the shares; see `ServiceRoute.nextPool`. */
  credit = 0
  private readonly counters: Counters
  private readonly series: Series
  private readonly decision: number
  private readonly rows = new Map<Target, Row>()
  private noServer: Row | null = null
  private readonly targets: Targets
  private readonly members: readonly Member[]
  private readonly policy: Policy
  private readonly panic: number
  /** null = off. */
  private readonly slowStart: SlowStart | null
  private available: readonly Member[] = []
  /** Servers that get requests in panic while no server is up. */
  private lastResort: readonly Member[] = []
  /** Backups that are up while it is not their turn. */
  private standIns: readonly Member[] = []
  /** The ejected server that gets one trial request; null = none. */
  private onTrial: Target | null = null
  private seenEpoch = -1

  /** `previous`: the same pool in the previous table; its queue and the credits of its servers are taken over. */
  constructor(
    { name: service, decision, panic, traffic, versionHeader }: TableService,
    pool: TablePool,
    policy: Policy,
    targets: Targets,
    counters: Counters,
    previous: PoolRoute | undefined,
    fuse: TryCounter | null = null,
  ) {
    this.name = pool.name
    this.version = pool.version
    this.share = pool.share
    this.tellsClients = pool.servers.some(({ proxyProtocol }) => proxyProtocol !== undefined)
    this.fuse = fuse
    this.policy = policy
    this.panic = panic
    this.targets = targets
    this.counters = counters
    this.decision = decision
    this.series = counters.seriesFor(service, pool.name, pool.version)
    this.queue = previous?.queue ?? new Queue()
    const credits = previous && new Map(previous.members.map(({ target, credit }) => [target, credit]))
    this.members = pool.servers
      .filter((server) => server.open)
      .map(({ key, name, weight, backup }) => {
        const target = targets.get(key)
        target.queue = this.queue
        return { target, weight, backup, seed: hashed(name), credit: credits?.get(target) ?? 0 }
      })
    this.versions =
      versionHeader === undefined
        ? null
        : new VersionsSeen(versionHeader, { service, pool: pool.name, version: pool.version }, counters.onVersions)
    const slowStartMs = traffic?.slowStartMs ?? 0
    this.slowStart = slowStartMs === 0 ? null : new SlowStart(this.members, slowStartMs)
  }

  /** Counts of the requests that a server gets by this table; null = of those that get none. */
  rowOf(target: Target | null): Row {
    if (target === null) {
      this.noServer ??= this.counters.row(this.series, this.decision)
      return this.noServer
    }
    const known = this.rows.get(target)
    if (known !== undefined) return known
    const row = this.counters.row(this.series, this.decision, target.name)
    this.rows.set(target, row)
    return row
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

  /**
   * Picks a server that is not in `tried`; null = there is none. A retry gets a backup, whose turn it is not, if the request
   * has tried every other server that is up. `now`: monotonic ms.
   */
  pick(tried: readonly Target[] | null, now: number, request: RoutedRequest | null): Target | null {
    if (this.seenEpoch !== this.targets.epoch) this.updateHealth()
    if (this.onTrial !== null && tried === null) return this.onTrial
    this.slowStart?.update(now)
    const target = this.pickFrom(this.available, tried, now, request)
    if (target !== null || tried === null || this.standIns.length === 0 || this.hasFull(tried)) return target
    return this.pickFrom(this.standIns, tried, now, request)
  }

  /** Whether a server takes a request that has tried `tried`: up and not full, and it has not just refused a connection. */
  takes(target: Target, tried: readonly Target[] | null, now: number): boolean {
    if (this.seenEpoch !== this.targets.epoch) this.updateHealth()
    if (target.health !== 'up' || target.isFull() || target.avoidUntil > now) return false
    if (tried?.includes(target)) return false
    for (const member of this.available) if (member.target === target) return true
    return false
  }

  /** Whether a server is a backup whose turn it is not. */
  standsIn(target: Target): boolean {
    return this.standIns.some((member) => member.target === target)
  }

  /** Picks a server that is not up, for a request that no pool has a server for; null unless in panic. */
  pickLastResort(tried: readonly Target[] | null, now: number, request: RoutedRequest | null): Target | null {
    return this.pickFrom(this.lastResort, tried, now, request)
  }

  /** Picks a server with room for the copy of a request; never for a trial, since the outcomes of copies do not count. */
  pickForCopy(now: number, request: RoutedRequest | null): Target | null {
    if (this.seenEpoch !== this.targets.epoch) this.updateHealth()
    const free = this.available.filter(({ target }) => target.hasRoom())
    return this.pickFrom(free, null, now, request)
  }

  /** Whether a server could take this request if it had not reached its limit. */
  hasFull(tried: readonly Target[] | null): boolean {
    if (this.seenEpoch !== this.targets.epoch) this.updateHealth()
    return this.available.some(({ target }) => target.isFull() && tried?.includes(target) !== true)
  }

  /** Whether the pool has a server for a new request now. */
  canTake(now: number): boolean {
    if (this.seenEpoch !== this.targets.epoch) this.updateHealth()
    return this.onTrial !== null || candidates(this.available, null, now).length > 0 || this.hasFull(null)
  }

  /** Whether a server may get a new request now, and why not; undefined = it takes none, or is not in this pool. */
  verdictOn(key: string, now: number): ServerVerdict | undefined {
    if (this.seenEpoch !== this.targets.epoch) this.updateHealth()
    const target = this.members.find((member) => member.target.key === key)?.target
    if (target === undefined || target.isClosed()) return undefined
    if (candidates(this.available, null, now).some((member) => member.target === target) || target === this.onTrial)
      return { key, may: true, reason: null }
    if (this.standsIn(target)) return { key, may: false, reason: 'backup' }
    const reason = target.health === 'up' ? (target.isFull() ? 'full' : 'avoided') : target.health
    return { key, may: false, reason: reason === 'trial' ? 'ejected' : reason }
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
    this.slowStart?.restart()
    const open = this.members.filter(({ target }) => !target.isClosed())
    const known = onDuty(
      open.filter(({ target }) => target.health !== 'unknown'),
      isUp,
    )
    const up = known.filter(isUp)
    const inPanic = up.length * 100 < this.panic * known.length
    this.available = inPanic && up.length > 0 ? known : up
    this.lastResort = inPanic && up.length === 0 ? known : []
    this.standIns = open.filter((member) => member.backup && isUp(member) && !up.includes(member))
    this.onTrial = open.find(({ target }) => target.health === 'trial')?.target ?? null
  }
}

function isUp({ target }: Member): boolean {
  return target.health === 'up'
}
