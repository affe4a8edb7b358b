import type { Counted, MetricEvidence, Stratum } from '../../model/rollout/metric-evidence.ts'
import { logMeanExp } from '../../model/rollout/metric-evidence.ts'
import { advanced, gain, isAlarm } from './detector.ts'

/** How many times the tolerated odds the canary's may be: the alternatives that evidence is collected for. */
export const RATIOS: readonly number[] = [1.5, 2, 3, 5, 10, 30, 100]

export interface Criterion {
  /** How many times stable's odds of a bad request the canary's may be, ≥ 1. */
  readonly allowedIncrease: number
  /** Natural logarithm of the evidence that fails the canary; see `failThreshold`. */
  readonly threshold: number
}

/**
 * Adds a tick: its strata, one per routing decision that routed in it. Since each compares both sides at the same time under
 * one weight, changes of the weight and incidents that both sides share are no evidence. Strata in which a side has no
 * request say nothing, and a tick of only such changes nothing.
 */
export function withTick(before: MetricEvidence, strata: readonly Stratum[], criterion: Criterion): MetricEvidence {
  const compared = strata.filter(({ canary, stable }) => canary.requests > 0 && stable.requests > 0)
  if (compared.length === 0) return before
  const { allowedIncrease, threshold } = criterion
  const gains = RATIOS.map((ratio) => {
    let sum = 0
    for (const stratum of compared) sum += gain(comparisonOf(stratum), allowedIncrease, ratio)
    return sum
  })
  // Evidence of other alternatives, stored by another version, cannot be continued.
  const logs = before.logs.length === RATIOS.length ? before.logs : []
  let { canary, stable, matched } = before
  for (const stratum of compared) {
    canary = sumOf(canary, stratum.canary)
    stable = sumOf(stable, stratum.stable)
    const share = stratum.canary.requests / (stratum.canary.requests + stratum.stable.requests)
    matched = {
      canary: matched.canary + stratum.canary.bad * (1 - share),
      stable: matched.stable + stratum.stable.bad * share,
    }
  }
  return { logs: advanced(logs, gains, threshold), ticks: before.ticks + 1, canary, stable, matched }
}

/**
 * Evidence that the canary is worse than allowed, comparable to `Criterion.threshold`: ln of the mean of exp(W) over the
 * ratios. Around 0 or below = none.
 */
export function evidenceOf({ logs }: MetricEvidence): number {
  return logMeanExp(logs)
}

/** What the evidence says now. It may fall again: whoever acts on `fail` does so at the tick that it comes with. */
export function verdictOf({ logs }: MetricEvidence, { threshold }: Pick<Criterion, 'threshold'>): 'fail' | 'ok' {
  return isAlarm(logs, threshold) ? 'fail' : 'ok'
}

/**
 * How many times as often as stable's the canary's requests were bad, for people: the ratio of Mantel and Haenszel, which
 * compares within each tick, so that an incident that both sides share does not move it. null = stable had none.
 */
export function ratioOf({ matched }: MetricEvidence): number | null {
  return matched.stable === 0 ? null : matched.canary / matched.stable
}

function comparisonOf({ canary, stable }: Stratum) {
  return {
    canaryBad: canary.bad,
    stableBad: stable.bad,
    canaryShare: canary.requests,
    stableShare: stable.requests,
  }
}

function sumOf(one: Counted, other: Counted): Counted {
  return { requests: one.requests + other.requests, bad: one.bad + other.bad }
}
