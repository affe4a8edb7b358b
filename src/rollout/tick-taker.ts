import type { Rollout } from '../model/rollout/rollout.ts'
import type { TickHistory } from '../telemetry/ticks/tick-history.ts'
import { type CountsByDecision, countsOf, difference } from './side-counts.ts'

/** Time for the counts of the other instances to arrive, s. */
const ARRIVAL_SECONDS = 2
/** Counts that arrive later than this after their second are left out, s. */
const LATE_SECONDS = 30
/** How far back the counts of single seconds go, s. */
const FINE_SECONDS = 115

/** The counts of a rollout since its judge has last looked. */
export interface TakenTick {
  readonly counts: CountsByDecision
  /** End of it, a second of the store's clock. */
  readonly until: number
  /** Number of its seconds in which enough instances have counted. */
  readonly knownSeconds: number
}

/** Whether nothing was counted. */
export function isEmpty({ counts }: TakenTick): boolean {
  return [...counts.values()].every(({ canary, stable }) =>
    [canary, stable].every((side) => side.counts.every((count) => count === 0)),
  )
}

/**
 * Takes the counts of a rollout out of the history, each once: those that arrive after their tick was taken come with a
 * later one.
 */
export class TickTaker {
  private readonly history: TickHistory
  private readonly arrivalSeconds: number
  /** What was known of the last seconds before `until`, when the last tick was taken. */
  private taken: { readonly until: number; readonly counts: CountsByDecision } | null = null

  /** `isAlone`: the counts are those of this instance, complete at once. */
  constructor(history: TickHistory, isAlone: boolean) {
    this.history = history
    this.arrivalSeconds = isAlone ? 0 : ARRIVAL_SECONDS
  }

  /**
   * Takes what has come since; null = it is not time yet. `instances`: number of those that are alive; with counts of less
   * than 80 % of them, a second is not known. `knownFrom`: nor are the seconds before this one.
   */
  take(rollout: Rollout, instances: number, knownFrom: number): TakenTick | null {
    const { history } = this
    const until = history.end - this.arrivalSeconds
    const from = Math.max(rollout.judgedUntil, history.end - FINE_SECONDS)
    if (until - from < rollout.spec.analysis.tickMs / 1_000) return null
    const lateFrom = Math.max(from - LATE_SECONDS, history.end - FINE_SECONDS)
    const before =
      this.taken?.until === from ? this.taken.counts : countsOf(history, { from: lateFrom, to: from }, rollout)
    const counts = difference(countsOf(history, { from: lateFrom, to: until }, rollout), before)
    const keptFrom = Math.max(until - LATE_SECONDS, lateFrom)
    this.taken = { until, counts: countsOf(history, { from: keptFrom, to: until }, rollout) }
    let knownSeconds = 0
    for (let second = Math.max(from, knownFrom); second < until; second++)
      if (history.instancesAt(second) >= instances * KNOWN_SHARE) knownSeconds++
    return { counts, until, knownSeconds }
  }
}

const KNOWN_SHARE = 0.8
