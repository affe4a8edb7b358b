import { evidenceValue, NO_EVIDENCE, type Stratum } from '../../model/rollout/metric-evidence.ts'
import { type Criterion, ratioOf, verdictOf, withTick } from './evidence.ts'

/** Counts of a tick, as recorded: those of one metric, under one routing decision. */
export type RecordedTick = Stratum

export interface Replayed {
  /** Number of ticks that were judged. */
  readonly ticks: number
  /** Number of the tick at which the canary would have failed, from 1; null = at none. */
  readonly failedAt: number | null
  /** After each tick, that the canary is worse; comparable to exp(`threshold`). */
  readonly evidence: readonly number[]
  /** How many times as often as stable's the canary's requests were bad; null = it cannot be said. */
  readonly ratio: number | null
}

/** Judges recorded ticks as a rollout would have; ends at the tick at which the canary fails. */
export function replayed(ticks: readonly RecordedTick[], criterion: Criterion): Replayed {
  let evidence = NO_EVIDENCE
  const values: number[] = []
  for (const tick of ticks) {
    evidence = withTick(evidence, [tick], criterion)
    values.push(evidenceValue(evidence.logs))
    if (verdictOf(evidence, criterion) === 'fail')
      return { ticks: values.length, failedAt: values.length, evidence: values, ratio: ratioOf(evidence) }
  }
  return { ticks: values.length, failedAt: null, evidence: values, ratio: ratioOf(evidence) }
}
