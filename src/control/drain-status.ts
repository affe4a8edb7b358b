import type { Drain } from '../model/drains.ts'
import { isReopened } from '../model/drains.ts'
import type { LeavingServer } from '../model/leaving.ts'
import { leavingServers } from '../model/leaving.ts'
import { own } from '../model/names.ts'
import type { Service, State } from '../model/state.ts'
import type { Convergence, Goal, Waited } from './fleet/convergence.ts'
import type { Lineage } from './fleet/lineage.ts'
import type { Generations } from './generations.ts'

/** Result of waiting for a change and its drains. */
export interface Settled extends Waited {
  /** Names of drained pools and servers that take requests again because of a later change. */
  readonly reopened: readonly string[]
  /** The store has lost the change, so that it is not in force any more. */
  readonly lost: boolean
}

export interface DrainStatusOptions {
  readonly convergence: Convergence
  readonly generations: Generations
  readonly lineage: Lineage
  /** The current state. */
  readonly state: () => State
}

/** Knows which changes are in force in the whole fleet and which drains are idle there, and waits for them. */
export class DrainStatus {
  private readonly options: DrainStatusOptions

  constructor(options: DrainStatusOptions) {
    this.options = options
  }

  /**
   * Whether the last change of a service is in force in the fleet, and no request is in flight at these of its targets.
   */
  isIdle(service: Service, keys: readonly string[]): boolean {
    const { applied, busyAt } = this.options.convergence.standing(this.goalOf(service), keys)
    return applied && busyAt.length === 0
  }

  /** Whether all drains are idle now. `here`: in this instance alone. */
  isDrained(drain: Drain, here = false): boolean {
    if (isReopened(drain, this.options.state())) return false
    const goals = [...new Set(this.servicesOf(drain.keys))].map((service) =>
      service === undefined ? this.goal() : this.goalOf(service),
    )
    return (goals.length === 0 ? [this.goal()] : goals).every((goal) => {
      const { applied, busyAt } = this.options.convergence.standing(goal, drain.keys, here)
      return applied && busyAt.length === 0
    })
  }

  /** Removed servers that still have requests in flight anywhere in the fleet. */
  leaving(): readonly LeavingServer[] {
    return leavingServers(this.options.state(), this.options.convergence.busyKeys())
  }

  /**
   * Resolves once `revision` is in force everywhere and everything in `drains` is idle, or with the progress after
   * `timeoutMs`. Resolves early if a later change reopens a drain or the store loses the change.
   * `here`: wait for this instance alone.
   */
  async settled(revision: number, drains: readonly Drain[], timeoutMs: number, here = false): Promise<Settled> {
    const deadline = performance.now() + timeoutMs
    const keys = drains.flatMap((drain) => drain.keys)
    const wanted = this.options.lineage.nameOf(revision)
    let cut = 0
    for (;;) {
      const { generation, state } = this.goal()
      const goal = keys.length === 0 && wanted !== null ? { generation, state: wanted } : { generation, state }
      const services = this.servicesOf(keys)
      const isLost = () => wanted !== null && !this.options.lineage.has(wanted)
      const waited = await this.options.convergence.wait(
        goal,
        keys,
        Math.max(0, deadline - performance.now()),
        here,
        isLost,
      )
      cut += waited.cut
      const reopened = drains.filter((drain) => isReopened(drain, this.options.state())).map(({ name }) => name)
      const lost = isLost()
      // A later change of these services: their drains may have been reopened and drained again. Wait for the new goal.
      const isCurrent = this.servicesOf(keys).every((service, i) => service === services[i])
      if (isCurrent || lost || reopened.length > 0 || performance.now() >= deadline)
        return { ...waited, reopened, cut, lost }
    }
  }

  /** The current service of each target. */
  private servicesOf(keys: readonly string[]): readonly (Service | undefined)[] {
    return keys.map((key) => own(this.options.state().services, key.slice(0, key.indexOf('/'))))
  }

  private goal(): Goal {
    const { revision, head } = this.options.state()
    return { generation: this.options.generations.current, state: { revision, head } }
  }

  /** The goal that is reached when the last change of a service is in force. */
  private goalOf(service: Service): Goal {
    return { generation: this.options.generations.of(service), state: { revision: service.revision, head: '' } }
  }
}
