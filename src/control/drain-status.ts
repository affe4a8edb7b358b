import type { Drain } from '../model/drains.ts'
import { isReopened } from '../model/drains.ts'
import type { LeavingServer } from '../model/leaving.ts'
import { leavingServers } from '../model/leaving.ts'
import { own, serviceNameOf } from '../model/names.ts'
import type { Service, State } from '../model/state.ts'
import type { Convergence, Goal, Waited } from './fleet/convergence.ts'
import type { Lineage } from './fleet/lineage.ts'
import type { Generations } from './generations.ts'

/** Result of waiting for a change and its drains. */
export interface Settled extends Omit<Waited, 'appliedAt'> {
  /** Time until the change was in force everywhere, and until nothing was in flight at its drains, ms; null = not yet. */
  readonly appliedMs: number | null
  readonly idleMs: number | null
  /** Names of drained pools and servers that take requests again because of a later change. */
  readonly reopened: readonly string[]
  /** The store has lost the change, so that it is not in force any more. */
  readonly lost: boolean
  /**
   * Whether the register of instances was read when waiting ended. Otherwise nothing is certain: another instance may
   * have joined, or have overrides by now.
   */
  readonly isCertain: boolean
}

export interface DrainStatusOptions {
  readonly convergence: Convergence
  readonly generations: Generations
  readonly lineage: Lineage
  /** The current state. */
  readonly state: () => State
  /** Whether a service is as the store has it, without an override. */
  readonly isStored: (service: Service) => boolean
  /** See `Fleet.refresh`. */
  readonly readRegister: (timeoutMs: number) => Promise<boolean>
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

  /** Proxies of this instance, and other instances, in which the last change of a service is not in force, by name. */
  lagging(service: Service): readonly string[] {
    return this.options.convergence.standing(this.goalOf(service), []).lagging
  }

  /** Whether all drains are idle now. `here`: in this instance alone. */
  isDrained(drain: Drain, here = false): boolean {
    if (isReopened(drain, this.options.state())) return false
    const removed = { ...this.goal(), services: drain.keys.map(serviceNameOf) }
    const goals = [...new Set(this.servicesOf(drain.keys))].map((service) =>
      service === undefined ? removed : this.goalOf(service),
    )
    return (goals.length === 0 ? [removed] : goals).every((goal) => {
      const { applied, busyAt } = this.options.convergence.standing(goal, drain.keys, here)
      return applied && busyAt.length === 0
    })
  }

  /** Removed servers that still have requests in flight, or get more until others are up, anywhere in the fleet. */
  leaving(): readonly LeavingServer[] {
    const { convergence, state } = this.options
    return leavingServers(state(), new Set([...convergence.busyKeys(), ...convergence.servedMeanwhile()]))
  }

  /**
   * Resolves once `revision` is in force everywhere and everything in `drains` is idle, or with the progress after
   * `timeoutMs`. Resolves early if a later change reopens a drain or the store loses the change. Reads the register
   * before it resolves, since what is known of the other instances may be a second old.
   * `here`: wait for this instance alone. `concerned`: the services whose definitions must be in force, beside those of
   * the drains; null = all.
   */
  async settled(
    revision: number,
    drains: readonly Drain[],
    timeoutMs: number,
    here = false,
    concerned: readonly string[] | null = null,
  ): Promise<Settled> {
    const deadline = performance.now() + timeoutMs
    const keys = drains.flatMap((drain) => drain.keys)
    const { convergence, lineage, readRegister } = this.options
    const wanted = lineage.nameOf(revision)
    const startedAt = performance.now()
    const cutSince = convergence.cutSince(keys, here)
    let appliedAt: number | null = null
    for (;;) {
      const { generation, state } = this.goal()
      const names = concerned && { services: [...concerned, ...keys.map(serviceNameOf)] }
      const goal = { generation, state: keys.length === 0 && wanted !== null ? wanted : state, ...names }
      const services = this.servicesOf(keys)
      const isLost = () => wanted !== null && !lineage.has(wanted)
      const leftMs = () => Math.max(0, deadline - performance.now())
      const waited = await convergence.wait(goal, keys, leftMs(), here, isLost)
      const idleAt = performance.now()
      appliedAt ??= waited.appliedAt
      const isCertain = here || (await readRegister(leftMs()))
      const standing = convergence.standing(goal, keys, here)
      const reopened = drains.filter((drain) => isReopened(drain, this.options.state())).map(({ name }) => name)
      const lost = isLost()
      // If not, a later change of these services may have reopened their drains and drained them again.
      const isCurrent = this.servicesOf(keys).every((service, i) => service === services[i])
      const isDone = isCertain && isCurrent && standing.applied && standing.busyAt.length === 0
      if (isDone || lost || reopened.length > 0 || performance.now() >= deadline)
        return {
          ...standing,
          reopened,
          cut: cutSince(),
          lost,
          isCertain,
          appliedMs: appliedAt === null ? null : appliedAt - startedAt,
          idleMs: isDone ? idleAt - startedAt : null,
        }
    }
  }

  /** The current service of each target. */
  private servicesOf(keys: readonly string[]): readonly (Service | undefined)[] {
    return keys.map((key) => own(this.options.state().services, serviceNameOf(key)))
  }

  private goal(): Goal {
    const { revision, head } = this.options.state()
    return { generation: this.options.generations.current, state: { revision, head } }
  }

  /** The goal that is reached when the last change of a service is in force. */
  private goalOf(service: Service): Goal {
    const state = this.options.isStored(service) ? { revision: service.revision, head: '' } : null
    return { generation: this.options.generations.of(service), state, services: [service.name] }
  }
}
