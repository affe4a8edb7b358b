import type { Sensitivity } from '../../model/rollout/metric-evidence.ts'

/** Evidence that fails a canary. */
const EVIDENCE = { high: 1_000, normal: 5_000 } as const
/** Most probable false alarm of `strict`: 0.33 % of the rollouts with a canary that is as good as it must be. */
const STRICT_FALSE_ALARMS = 0.0033

/**
 * Natural logarithm of the evidence that fails a canary. `strict` depends on how many ticks are planned, and holds its
 * probability of a false alarm for any traffic; the others are as often wrong as simulation says (`npm run simulate`).
 */
export function failThreshold(sensitivity: Sensitivity, plannedTicks: number): number {
  if (sensitivity !== 'strict') return Math.log(EVIDENCE[sensitivity])
  return Math.log(Math.max(1, plannedTicks) / STRICT_FALSE_ALARMS)
}
