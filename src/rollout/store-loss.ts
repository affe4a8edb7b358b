import type { Logger } from 'pino'
import type { Control } from '../control/control.ts'
import { paused } from '../model/rollout/moves.ts'
import { findRollout, hasEnded, type Rollout } from '../model/rollout/rollout.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'
import type { Surroundings } from './surroundings.ts'

interface StoreLossOptions {
  readonly control: Pick<Control, 'closeCanaries' | 'execute'>
  readonly store: Pick<Store, 'status' | 'onStatus' | 'nowMs'>
  /** Name of this instance. */
  readonly instance: string
  readonly log: Logger
}

/** A rollout whose canary this instance has closed. */
interface Closed {
  readonly service: string
  /** When the store was found to be away, by its own clock, ms: if it has moved since, others went on without this instance. */
  readonly awaySinceMs: number
}

/** A time by the store's clock and by the monotonic one, ms. */
interface Away {
  readonly atMs: number
  readonly since: number
}

/**
 * Returns an instance that cannot reach the store to the stable pools of its rollouts, after `onStoreLoss.after`: nobody
 * could tell it to. When the store is back, the rollouts that nobody has moved meanwhile are paused.
 */
export class StoreLoss {
  private readonly options: StoreLossOptions
  private readonly surroundings: Surroundings
  private running: ReadonlyMap<string, Rollout> = new Map()
  /** By id of the rollout. */
  private readonly closed = new Map<string, Closed>()
  private timer: NodeJS.Timeout | undefined
  /** When the store was found to be away; null = it is not. */
  private away: Away | null = null
  private reachedFrom = 0
  private isReturning = false
  private isStopped = false

  constructor(options: StoreLossOptions, surroundings: Surroundings) {
    this.options = options
    this.surroundings = surroundings
  }

  start(): void {
    this.options.store.onStatus(() => this.check())
    this.check()
  }

  stop(): void {
    this.isStopped = true
    clearTimeout(this.timer)
  }

  /**
   * First second of the store's clock since which the store could be reached without a break: what was counted before
   * that came late, and nobody could have acted on it.
   */
  get backSince(): number {
    return this.reachedFrom
  }

  /** Whether this instance has closed the canary of a rollout, and the fleet may not know of it yet. */
  hasClosed(id: string): boolean {
    return this.closed.has(id)
  }

  /** Takes the rollouts that run, by service. */
  follow(running: ReadonlyMap<string, Rollout>): void {
    this.running = running
    this.check()
  }

  private check(): void {
    clearTimeout(this.timer)
    if (this.isStopped) return
    const { store } = this.options
    const status = store.status()
    if (status.up) {
      if (this.away !== null) this.reachedFrom = Math.ceil(store.nowMs() / 1_000)
      this.away = null
      void this.comeBack()
    } else {
      this.away ??= { atMs: store.nowMs(), since: performance.now() }
      this.closeDue(this.away)
    }
  }

  private closeDue(away: Away): void {
    let nextMs = Number.POSITIVE_INFINITY
    for (const rollout of this.running.values()) {
      const { action, afterMs } = rollout.spec.onStoreLoss
      if (action !== 'stable' || this.closed.has(rollout.id)) continue
      const leftMs = away.since + afterMs - performance.now()
      if (leftMs > 0) nextMs = Math.min(nextMs, leftMs)
      else if (this.hasStable(rollout)) this.close(rollout, away)
      else nextMs = Math.min(nextMs, RETRY_MS)
    }
    if (Number.isFinite(nextMs)) this.timer = setTimeout(() => this.check(), nextMs).unref()
  }

  private hasStable({ service: name, from }: Rollout): boolean {
    const service = this.surroundings.service(name)
    return service !== undefined && this.surroundings.health(service, from).up > 0
  }

  private close({ id, service }: Rollout, { atMs }: Away): void {
    this.closed.set(id, { service, awaySinceMs: atMs })
    this.options.log.warn({ service, rollout: id }, 'the store is away: all requests go to the stable pool here')
    this.options.control.closeCanaries(new Set(this.closed.keys()))
  }

  /** Pauses the rollouts that nobody has moved, and lets this instance follow the state again. */
  private async comeBack(): Promise<void> {
    if (this.closed.size === 0 || this.isReturning) return
    this.isReturning = true
    try {
      for (const [id, closed] of [...this.closed]) {
        await this.pause(id, closed)
        this.closed.delete(id)
        this.options.control.closeCanaries(new Set(this.closed.keys()))
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      this.timer = setTimeout(() => this.check(), RETRY_MS).unref()
    } finally {
      this.isReturning = false
    }
  }

  private async pause(id: string, { service, awaySinceMs }: Closed): Promise<void> {
    const { control, store, instance } = this.options
    const request = { by: instance, reason: 'the store was away', force: true, ifMatch: null }
    await control.execute((state) => {
      const rollout = findRollout(state, service, id)
      if (rollout === null || hasEnded(rollout) || rollout.state === 'Aborting' || lastMoved(rollout) > awaySinceMs)
        return { refusal: { kind: 'conflict', detail: 'It has moved meanwhile.' } }
      const detail = `the store was away: ${instance} has returned all requests to the stable pool`
      const next = { ...paused(rollout, 'StoreLost', detail, store.nowMs()), weight: 0 }
      return { command: { kind: 'moveRollout', service, rollout: next } }
    }, request)
  }
}

/** When something was last decided about a rollout, or judged, ms by the store's clock. */
function lastMoved({ stateSinceMs, step, judgedUntil }: Rollout): number {
  return Math.max(stateSinceMs, step.sinceMs, judgedUntil * 1_000)
}

const RETRY_MS = 500
