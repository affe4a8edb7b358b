import type { Logger } from 'pino'
import type { Control } from '../control/control.ts'
import type { Commit } from '../control/controller.ts'
import type { CallOutcome, Judged, Observation } from '../model/rollout/observation.ts'
import { dueCall, observe } from '../model/rollout/observe.ts'
import { findRollout, hasEnded, type Rollout, type WebStanding } from '../model/rollout/rollout.ts'
import { serversOf } from '../model/servers.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'
import { askServer, callHook } from './calls.ts'
import type { HeldLease } from './held-lease.ts'
import { judge } from './judging.ts'
import { MinRequests } from './min-requests.ts'
import type { RolloutCounts } from './rollout-counts.ts'
import type { StoreLoss } from './store-loss.ts'
import type { Surroundings } from './surroundings.ts'
import { isEmpty, TickTaker } from './tick-taker.ts'
import { measure, measured } from './web-metrics.ts'

/** Max time between two looks; most are due to something that has changed. */
const LOOK_MS = 1_000
/** Max time without requests before it is committed that there were none, s. */
const IDLE_SECONDS = 30

export interface RunnerOptions {
  readonly control: Control
  readonly store: Store
  readonly surroundings: Surroundings
  readonly counts: RolloutCounts
  readonly loss: Pick<StoreLoss, 'backSince' | 'hasClosed'>
  readonly isAlone: boolean
  readonly log: Logger
}

/** Runs one rollout at the instance that holds its lease: looks at it again and again, and commits what follows. */
export class Runner {
  readonly service: string
  readonly id: string
  private readonly options: RunnerOptions
  private readonly held: HeldLease | null
  private readonly taker: TickTaker
  private readonly minRequests = new MinRequests()
  private readonly ended = new AbortController()
  /** Ends of calls and measurements that are not committed yet. */
  private call: CallOutcome | null = null
  private readonly webs = new Map<string, WebStanding>()
  private readonly busy = new Set<string>()
  private wake: (() => void) | null = null
  private isDue = false
  /** End of the last second without a request, s: it is not worth a commit. */
  private idleUntil = 0

  /** `held`: null = no other instance can run it. */
  constructor(rollout: Rollout, held: HeldLease | null, options: RunnerOptions) {
    this.service = rollout.service
    this.id = rollout.id
    this.held = held
    this.options = options
    this.taker = new TickTaker(options.control.ticks.fleet, options.isAlone)
  }

  /** Looks again soon; called when something has changed. */
  look(): void {
    this.isDue = true
    this.wake?.()
  }

  /** Runs until the rollout has ended, the lease is lost, or `stopped` is aborted. */
  async run(stopped: AbortSignal): Promise<void> {
    const any = AbortSignal.any(this.held === null ? [stopped] : [stopped, this.held.lost])
    try {
      while (!any.aborted) {
        const rollout = this.current
        if (rollout === null) return
        if (hasEnded(rollout)) break
        this.isDue = false
        await this.step(rollout)
        await this.pause(any)
      }
      const last = this.current
      if (last !== null && hasEnded(last)) this.options.counts.ended(last)
    } finally {
      this.ended.abort()
    }
  }

  private get current(): Rollout | null {
    return findRollout(this.options.control.state, this.service, this.id)
  }

  private async step(rollout: Rollout): Promise<void> {
    const { control, store, loss, log } = this.options
    if (this.held !== null && !this.held.isTrusted) return
    // Nothing goes on before the pause for the time without the store.
    if (!store.status().up || loss.hasClosed(this.id)) return
    // Somebody may have left the step meanwhile.
    if (this.call !== null && !isOfStep(this.call, rollout)) this.call = null
    this.startCalls(rollout)
    const judged = this.judge(rollout)
    const call = this.call
    const webs = Object.fromEntries(this.webs)
    const next = (current: Rollout): Rollout => observe(current, this.observation(current, rollout, judged, call, webs))
    if (next(rollout) === rollout) return
    try {
      const result = await control.execute(
        (state) => {
          const current = findRollout(state, this.service, this.id)
          if (current === null || hasEnded(current)) return { refusal: { kind: 'conflict', detail: 'It has ended.' } }
          return { command: { kind: 'moveRollout', service: this.service, rollout: next(current) } }
        },
        { by: `rollout ${this.id}`, reason: null, force: isRetreat(rollout, next(rollout)), ifMatch: null },
        this.commit,
      )
      if (result.kind === 'refused') {
        log.debug({ service: this.service, rollout: this.id, refusal: result.refusal }, 'a rollout could not move')
        return
      }
      for (const [name, web] of Object.entries(webs)) if (this.webs.get(name) === web) this.webs.delete(name)
      // The next step may be ready at once.
      this.look()
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
    }
  }

  private readonly commit: Commit = async (change) => {
    const { store } = this.options
    if (this.held === null) return store.commit(change)
    const outcome = this.held.isTrusted ? await store.leases.commit(this.held.lease, change) : 'fenced'
    if (outcome === 'fenced') this.options.counts.fenced += 1
    return outcome
  }

  /** `base`: the rollout that the counts were judged for. */
  private observation(
    current: Rollout,
    base: Rollout,
    judged: Judged | null,
    call: CallOutcome | null,
    webs: Readonly<Record<string, WebStanding>>,
  ): Observation {
    const { surroundings, store } = this.options
    return {
      ...surroundings.observe(current),
      nowMs: store.nowMs(),
      epoch: this.held?.lease.epoch ?? 0,
      minRequests: this.minRequests.of(current, surroundings),
      // Somebody may have begun the evidence anew meanwhile.
      judged: current.metrics === base.metrics && current.judgedUntil === base.judgedUntil ? judged : null,
      measured: webs,
      call,
    }
  }

  private judge(rollout: Rollout): Judged | null {
    const { surroundings, loss } = this.options
    const { judgedUntil } = rollout
    const known = { ...rollout, judgedUntil: Math.max(judgedUntil, this.idleUntil) }
    const tick = this.taker.take(known, surroundings.instances, loss.backSince)
    if (tick === null) return null
    const judged = judge(rollout, tick, {
      weightOf: (decision) => surroundings.weightOf(rollout, decision),
      isStableBad: surroundings.isStableBad(rollout),
    })
    if (!isEmpty(tick) || tick.until - judgedUntil >= IDLE_SECONDS) return judged
    this.idleUntil = tick.until
    return { ...judged, judgedUntil }
  }

  /** Starts the calls and measurements that are due. */
  private startCalls(rollout: Rollout): void {
    const nowMs = this.options.store.nowMs()
    const { step } = rollout
    const due = this.call === null ? dueCall(rollout, nowMs) : null
    if (due !== null)
      this.once(`call ${step.index} ${step.attempt} ${step.failures}`, async () => {
        const result =
          due.kind === 'hook' ? await callHook(rollout, due, this.ended.signal) : await this.askNext(rollout, due)
        this.call = { ...result, index: step.index, attempt: step.attempt, failures: step.failures }
      })
    for (const metric of rollout.spec.analysis.metrics) {
      if (metric.kind !== 'web' || this.webs.has(metric.name)) continue
      const standing = rollout.metrics.find(({ name }) => name === metric.name)?.web
      if (standing == null || nowMs < standing.nextAtMs) continue
      this.once(`web ${metric.name}`, async () => {
        const result = await measure(metric, this.ended.signal)
        this.webs.set(metric.name, measured(standing, result, metric, this.options.store.nowMs()))
      })
    }
  }

  /** Asks the servers of the canary in turn. */
  private async askNext(rollout: Rollout, gate: Parameters<typeof askServer>[1]) {
    const service = this.options.surroundings.service(this.service)
    const servers =
      service === undefined ? [] : serversOf(service, rollout.to).filter(({ closed }) => closed === undefined)
    const server = servers[rollout.step.failures % Math.max(1, servers.length)]
    if (server === undefined) return { ok: false, detail: `pool ${rollout.to} has no server` }
    return askServer(server, gate, this.ended.signal)
  }

  private once(what: string, run: () => Promise<void>): void {
    if (this.busy.has(what)) return
    this.busy.add(what)
    void run().finally(() => {
      this.busy.delete(what)
      this.look()
    })
  }

  private pause(any: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        any.removeEventListener('abort', end)
        this.wake = null
        resolve()
      }
      const timer = setTimeout(end, LOOK_MS).unref()
      any.addEventListener('abort', end)
      this.wake = end
      if (any.aborted || this.isDue) end()
    })
  }
}

/** Whether a call was made for what its step still waits for. */
function isOfStep({ index, attempt, failures }: CallOutcome, { step }: Rollout): boolean {
  return index === step.index && attempt === step.attempt && failures === step.failures
}

/** Whether requests return to the stable pool: that must not wait for a promise about it to be kept. */
function isRetreat(before: Rollout, after: Rollout): boolean {
  return after.weight < before.weight
}
