import { logMeanExp } from '../../model/rollout/metric-evidence.ts'
import type { Routed, RoutedShares } from '../../model/rollout/routed-shares.ts'
import { advanced, gain, isAlarm } from './detector.ts'
import { failThreshold } from './sensitivity.ts'

/** How many times the odds of its weight the canary's share may be, either way, before it counts as drift. */
const TOLERATED = 1.1
/** How many times the tolerated odds the share may have drifted: the alternatives, each in both directions. */
const DRIFTS: readonly number[] = [1.1, 1.25, 1.5, 2, 4, 10]

export type DriftVerdict = 'more' | 'less' | 'ok'

/**
 * Adds a tick, by routing decision. Requests routed at random by the weight are binomial, and smooth weighted turns vary
 * less, so the evidence is valid for both. Requests of few sticky clients vary more: their share does differ from the weight.
 */
export function withRouted(before: RoutedShares, routed: readonly Routed[], plannedTicks: number): RoutedShares {
  const some = routed.filter(({ canary, stable }) => canary + stable > 0)
  if (some.length === 0) return before
  const gains = [...DRIFTS.map((ratio) => sumOf(some, moreGain, ratio))]
  for (const ratio of DRIFTS) gains.push(sumOf(some, lessGain, ratio))
  const logs = before.logs.length === gains.length ? before.logs : []
  let { canary, stable, expected } = before
  for (const each of some) {
    canary += each.canary
    stable += each.stable
    expected += each.weight * (each.canary + each.stable)
  }
  return { logs: advanced(logs, gains, driftThreshold(plannedTicks)), canary, stable, expected }
}

/**
 * Whether the canary gets more or less than its weight says. It is said falsely in at most 0.33 % of the rollouts of
 * `plannedTicks`, at any traffic.
 */
export function driftOf({ logs }: RoutedShares, plannedTicks: number): DriftVerdict {
  if (!isAlarm(logs, driftThreshold(plannedTicks))) return 'ok'
  const half = logs.length / 2
  return logMeanExp(logs.slice(0, half)) > logMeanExp(logs.slice(half)) ? 'more' : 'less'
}

/** Natural logarithm of the evidence at which a drift is said. */
export function driftThreshold(plannedTicks: number): number {
  return failThreshold('strict', plannedTicks)
}

function sumOf(routed: readonly Routed[], gainOf: typeof moreGain, ratio: number): number {
  let sum = 0
  for (const each of routed) sum += gainOf(each, ratio)
  return sum
}

function moreGain({ weight, canary, stable }: Routed, ratio: number): number {
  const comparison = { canaryBad: canary, stableBad: stable, canaryShare: weight, stableShare: 1 - weight }
  return gain(comparison, TOLERATED, ratio)
}

/** The same, with the sides exchanged. */
function lessGain({ weight, canary, stable }: Routed, ratio: number): number {
  const comparison = { canaryBad: stable, stableBad: canary, canaryShare: 1 - weight, stableShare: weight }
  return gain(comparison, TOLERATED, ratio)
}
