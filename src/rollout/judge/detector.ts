import { logMeanExp } from '../../model/rollout/metric-evidence.ts'

/** Part of the evidence needed for an alarm that one tick can add, so that an alarm takes three ticks at least. */
const TICK_PART = 1 / 3
/** Allowance for the rounding of sums: three ticks of a third each reach the threshold. */
const ROUNDING = 1e-9

/** Two sides of a comparison: how many of the bad events fell on each, and in which proportion requests went there. */
export interface Comparison {
  readonly canaryBad: number
  readonly stableBad: number
  /** Requests of each side, or any other numbers > 0 in proportion to them. */
  readonly canaryShare: number
  readonly stableShare: number
}

/**
 * Natural logarithm of how much likelier a comparison is if the odds of a bad event are `tolerated` × `ratio` times as high
 * on the canary's side as on the other, than if they are `tolerated` times as high.
 *
 * With the canary's share w of the requests, w0 = tolerated·w / (tolerated·w + 1 − w) and q the same of
 * tolerated·ratio, this is canaryBad·ln(q/w0) + stableBad·ln((1−q)/(1−w0)), rearranged so that no share near 0 or 1
 * loses digits. Given the requests and bad events of a tick, the expectation of its exponential is at most 1 if the odds are at
 * most `tolerated`: the canary's bad events are then hypergeometric (Fisher's, non-central), which is a sum of independent
 * trials, and so below the binomial of w0 in convex order (Hoeffding 1963).
 */
export function gain(
  { canaryBad, stableBad, canaryShare, stableShare }: Comparison,
  tolerated: number,
  ratio: number,
): number {
  const bad = canaryBad + stableBad
  if (bad === 0) return 0
  const likelier = tolerated * canaryShare
  return canaryBad * Math.log(ratio) - bad * Math.log((likelier * ratio + stableShare) / (likelier + stableShare))
}

/**
 * Evidence after a tick: `logs` before it, one per alternative, and what the tick adds to each. Starting again at 0 makes it
 * an e-detector (Shin, Ramdas, Rinaldo 2022): an alarm at exp(`threshold`) is false within T ticks with a probability of at
 * most T / exp(`threshold`), whenever one looks.
 */
export function advanced(logs: readonly number[], gains: readonly number[], threshold: number): number[] {
  const most = threshold * TICK_PART
  return gains.map((gained, i) => Math.max(logs[i] ?? 0, 0) + Math.min(gained, most))
}

/** Whether the evidence suffices for an alarm. */
export function isAlarm(logs: readonly number[], threshold: number): boolean {
  const enough = threshold - ROUNDING
  // A mean is at most the greatest: mostly this says no at once.
  return logs.some((log) => log >= enough) && logMeanExp(logs) >= enough
}
