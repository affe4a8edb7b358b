import type { Logger } from 'pino'
import type { Control } from '../control/control.ts'
import type { Result } from '../control/controller.ts'
import type { Fleet } from '../control/fleet/fleet.ts'
import { inTurn } from '../control/held-lease.ts'
import { findDocument } from '../model/document-kind.ts'
import { holdsLease, LEASES } from '../model/leases.ts'
import type { FuseTrip } from '../model/messages.ts'
import { aborting } from '../model/rollout/moves.ts'
import { findRollout, hasEnded, type Rollout, runningRollouts } from '../model/rollout/rollout.ts'
import type { State } from '../model/state.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'
import type { RolloutFigures } from '../telemetry/metrics/rollout-figures.ts'
import { RolloutCounts } from './rollout-counts.ts'
import { Runner } from './runner.ts'
import { StoreLoss } from './store-loss.ts'
import { Surroundings } from './surroundings.ts'

/** Time between two attempts to abort a rollout whose fuse has tripped, while the store is away. */
const RETRY_MS = 500

export interface RolloutsOptions {
  readonly control: Control
  readonly store: Store
  readonly fleet: Pick<Fleet, 'live' | 'isAlone'>
  /** Name of this instance. */
  readonly instance: string
  readonly log: Logger
}

/** The turn of a service: to run its rollout, one instance at a time. */
interface Turn {
  readonly id: string
  readonly stopping: AbortController
  runner: Runner | null
}

/**
 * Runs the rollouts of the fleet: for each one, this instance tries to hold its lease, and moves it while it does. A fuse
 * that trips here aborts its rollout whoever holds the lease.
 */
export class Rollouts {
  readonly surroundings: Surroundings
  readonly counts = new RolloutCounts()
  private readonly options: RolloutsOptions
  private readonly loss: StoreLoss
  /** By service. */
  private readonly turns = new Map<string, Turn>()
  private readonly tripped = new Set<string>()
  private readonly running = new Set<Promise<void>>()
  private isStarted = false
  private isStopped = false

  constructor(options: RolloutsOptions) {
    const { control, fleet } = options
    this.options = options
    this.surroundings = new Surroundings(control, fleet)
    this.loss = new StoreLoss(options, this.surroundings)
  }

  start(): void {
    this.isStarted = true
    this.options.control.controller.watch((state) => this.follow(state))
    this.loss.start()
  }

  /** Looks at all rollouts again; called when health or what is applied may have changed. */
  check(): void {
    for (const { runner } of this.turns.values()) runner?.look()
  }

  /** Ends the runs of this instance; another one goes on. */
  async stop(): Promise<void> {
    this.isStopped = true
    this.loss.stop()
    for (const { stopping } of this.turns.values()) stopping.abort()
    await Promise.all(this.running)
  }

  /** Figures for metrics. */
  figures(): RolloutFigures {
    const running = runningRollouts(this.options.control.state)
    return this.counts.figures(running, (rollout) => this.surroundings.measuredShare(rollout))
  }

  /** Name of the instance that runs the rollout of a service; null = none at the moment. */
  leaderOf(service: string): string | null {
    const { store, control, fleet, instance } = this.options
    if (fleet.isAlone) return instance
    const found = findDocument(LEASES, control.state, leaseName(service))
    if (found === null || found === 'unreadable') return null
    return holdsLease(store.documents(), {
      name: leaseName(service),
      holder: '',
      epoch: found.value.epoch,
      token: found.value.token ?? '',
    })
      ? found.value.holder
      : null
  }

  /** Aborts the rollout whose fuse has tripped in a proxy of this instance. */
  fuse(trip: FuseTrip): void {
    const { service, rollout: id } = trip
    if (this.isStopped || this.tripped.has(id)) return
    this.tripped.add(id)
    this.counts.fuseTrips += 1
    this.track(this.abort(service, id, whyTripped(trip, this.options.instance)))
  }

  private follow(state: State): void {
    if (!this.isStarted || this.isStopped) return
    const running = new Map(runningRollouts(state).map((rollout) => [rollout.service, rollout]))
    for (const [service, turn] of this.turns) {
      if (running.get(service)?.id === turn.id) continue
      turn.stopping.abort()
      this.turns.delete(service)
    }
    for (const [service, rollout] of running) {
      if (!this.turns.has(service)) this.begin(rollout)
    }
    const ids = new Set([...running.values()].map(({ id }) => id))
    for (const id of this.tripped) if (!ids.has(id)) this.tripped.delete(id)
    this.loss.follow(running)
    this.check()
  }

  private begin({ service, id }: Rollout): void {
    const turn: Turn = { id, stopping: new AbortController(), runner: null }
    this.turns.set(service, turn)
    this.track(this.take(service, turn))
  }

  private async take(service: string, turn: Turn): Promise<void> {
    const { store, fleet, instance } = this.options
    const { signal } = turn.stopping
    const run = async (held: Parameters<Parameters<typeof inTurn>[4]>[0] | null): Promise<void> => {
      const rollout = findRollout(this.options.control.state, service, turn.id)
      if (rollout === null || hasEnded(rollout)) return
      const { options, surroundings, counts, loss } = this
      counts.taken += 1
      turn.runner = new Runner(rollout, held, { ...options, surroundings, counts, loss, isAlone: fleet.isAlone })
      await turn.runner.run(signal)
      turn.runner = null
    }
    if (fleet.isAlone) return run(null)
    await inTurn(store.leases, leaseName(service), instance, signal, run)
  }

  /** Tries until the rollout is being aborted, or has ended. */
  private async abort(service: string, id: string, { reason, detail }: TripReason): Promise<void> {
    const { control, store, instance, log } = this.options
    while (!this.isStopped) {
      try {
        const request = { by: instance, reason: 'the fuse has tripped', force: true, ifMatch: null }
        const result: Result = await control.execute((state) => {
          const rollout = findRollout(state, service, id)
          if (rollout === null || hasEnded(rollout) || rollout.state === 'Aborting')
            return { refusal: { kind: 'conflict', detail: 'It has ended.' } }
          return {
            command: { kind: 'moveRollout', service, rollout: aborting(rollout, reason, detail, store.nowMs()) },
          }
        }, request)
        if (result.kind === 'done') log.warn({ service, rollout: id, detail }, 'the fuse of a rollout has tripped')
        return
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref())
      }
    }
  }

  private track(work: Promise<void>): void {
    const { log } = this.options
    const tracked: Promise<void> = work
      .catch((error: unknown) => log.error({ err: error }, 'running a rollout failed'))
      .finally(() => this.running.delete(tracked))
    this.running.add(tracked)
  }
}

interface TripReason {
  readonly reason: 'fuse' | 'CanaryUnhealthy'
  readonly detail: string
}

/** Why a rollout is aborted whose fuse has tripped: servers that cannot be reached have answered nothing. */
function whyTripped({ canary, stable }: FuseTrip, instance: string): TripReason {
  const { answers, failures, unreachable } = canary
  if (unreachable * 2 >= failures) {
    const detail = `no connection to the canary in ${unreachable} of ${answers} tries, at ${instance}`
    return { reason: 'CanaryUnhealthy', detail }
  }
  const failed = `${failures} of ${answers} answers of the canary failed`
  const detail = `${failed}, ${stable.failures} of ${stable.answers} of the stable pool, at ${instance}`
  return { reason: 'fuse', detail }
}

function leaseName(service: string): string {
  return `rollout ${service}`
}
