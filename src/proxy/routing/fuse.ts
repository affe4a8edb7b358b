import type { FuseTrip } from '../../model/messages.ts'
import type { FuseSpec, TableRollout } from '../../model/rollout/table-rollout.ts'
import type { TablePool, TableService } from '../../model/table.ts'
import type { Targets } from '../upstream/targets.ts'
import { AnswerWindow } from './answer-window.ts'

/** Counts the tries at a pool. */
export interface TryCounter {
  /**
   * A try has ended with a response or an error of the server. `now`: monotonic ms. `unreachable`: there was no
   * connection.
   */
  tried(ok: boolean, now: number, unreachable?: boolean): void
}

/**
 * The fuse of a rollout in one data plane: it trips when the canary fails while the stable pool does not, and stays
 * tripped. Source: ROLLOUTS.md section 2.
 */
export class Fuse {
  readonly rollout: TableRollout
  /** Why it has tripped; null = it has not. */
  trip: FuseTrip | null = null
  /** The service as control has sent it last. */
  table: TableService
  /** The table has another fuse or none; tries that began before may still end. */
  isOver = false
  private readonly spec: FuseSpec
  private readonly targets: Pick<Targets, 'get'>
  private readonly onTrip: (fuse: Fuse) => void
  private readonly canary: AnswerWindow
  private readonly stable: AnswerWindow
  private readonly canaryCounter: TryCounter = {
    tried: (ok, now, unreachable) => {
      this.canary.add(ok, now, unreachable)
      if (!ok && this.trip === null && !this.isOver) this.judge(now)
    },
  }
  private readonly stableCounter: TryCounter = { tried: (ok, now) => this.stable.add(ok, now) }

  /** `onTrip`: called once. */
  constructor(
    table: TableService,
    rollout: TableRollout,
    spec: FuseSpec,
    targets: Pick<Targets, 'get'>,
    onTrip: (fuse: Fuse) => void,
  ) {
    this.table = table
    this.rollout = rollout
    this.spec = spec
    this.targets = targets
    this.onTrip = onTrip
    this.canary = new AnswerWindow(spec.windowMs)
    this.stable = new AnswerWindow(spec.windowMs)
  }

  /** The counter of a pool; null = its tries do not matter. */
  counterOf(pool: string): TryCounter | null {
    const { from, to } = this.rollout
    return pool === to ? this.canaryCounter : pool === from ? this.stableCounter : null
  }

  /** Trips if the canary has failed too often by now, and the stable pool can take its requests. */
  private judge(now: number): void {
    const { canary, stable, spec, table, rollout } = this
    canary.advance(now)
    if (canary.answers < spec.minRequests || canary.failures / canary.answers < spec.errorRate) return
    stable.advance(now)
    const pool = table.pools.find(({ name }) => name === rollout.from)
    if (pool === undefined || !this.hasServerUp(pool)) return
    // Without a share, answers of the stable pool say nothing about it: only its health is known.
    const isMeasured = pool.share > 0 && stable.answers > 0
    if (isMeasured && stable.failures / stable.answers >= spec.stableMax) return
    this.trip = { service: table.name, rollout: rollout.id, canary: canary.count(), stable: stable.count() }
    this.onTrip(this)
  }

  private hasServerUp({ servers }: TablePool): boolean {
    return servers.some(({ key, open, standby }) => (open || standby === true) && this.targets.get(key).health === 'up')
  }
}
