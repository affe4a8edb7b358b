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
  /** When the judge had last looked: if it has looked since, others went on without this instance. */
  readonly judgedUntil: number
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

  /** Takes the rollouts that run, by service. */
  follow(running: ReadonlyMap<string, Rollout>): void {
    this.running = running
    this.check()
  }

  private check(): void {
    clearTimeout(this.timer)
    if (this.isStopped) return
    const status = this.options.store.status()
    if (status.up) void this.comeBack()
    else this.closeDue(status.since.getTime())
  }

  private closeDue(since: number): void {
    let nextMs = Number.POSITIVE_INFINITY
    for (const rollout of this.running.values()) {
      const { action, afterMs } = rollout.spec.onStoreLoss
      if (action !== 'stable' || this.closed.has(rollout.id)) continue
      const leftMs = since + afterMs - Date.now()
      if (leftMs > 0) nextMs = Math.min(nextMs, leftMs)
      else if (this.hasStable(rollout)) this.close(rollout)
      else nextMs = Math.min(nextMs, RETRY_MS)
    }
    if (Number.isFinite(nextMs)) this.timer = setTimeout(() => this.check(), nextMs).unref()
  }

  private hasStable({ service: name, from }: Rollout): boolean {
    const service = this.surroundings.service(name)
    return service !== undefined && this.surroundings.health(service, from).up > 0
  }

  private close({ id, service, judgedUntil }: Rollout): void {
    this.closed.set(id, { service, judgedUntil })
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

  private async pause(id: string, { service, judgedUntil }: Closed): Promise<void> {
    const { control, store, instance } = this.options
    const request = { by: instance, reason: 'the store was away', force: true, ifMatch: null }
    await control.execute((state) => {
      const rollout = findRollout(state, service, id)
      const isAsBefore = rollout !== null && !hasEnded(rollout) && rollout.judgedUntil === judgedUntil
      if (!isAsBefore || rollout.state === 'Aborting')
        return { refusal: { kind: 'conflict', detail: 'It has moved meanwhile.' } }
      const detail = `the store was away: ${instance} has returned all requests to the stable pool`
      const next = { ...paused(rollout, 'StoreLost', detail, store.nowMs()), weight: 0 }
      return { command: { kind: 'moveRollout', service, rollout: next } }
    }, request)
  }
}

const RETRY_MS = 500
