import type { Counted } from '../../model/rollout/metric-evidence.ts'
import { bucketOf, DURATION_BOUNDS_MS, quantileOf } from '../../telemetry/ticks/durations.ts'
import { Figures } from '../../telemetry/ticks/figures.ts'

/** Durations as pairs of a bucket and its count, one after the other; see `TickRow.durations`. */
export type DurationPairs = readonly number[]

/** Quantile of stable's durations above which a request is slow. */
const SLOW_QUANTILE = 0.95

/** Durations of one side, ms, that 50, 95 and 99 % of the requests do not exceed; null = there were none. */
export interface Quantiles {
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
}

export interface LatencyReport {
  readonly canary: Quantiles
  readonly stable: Quantiles
  /**
   * Probability that a random request of the canary takes longer than a random one of stable, where equal ones count half
   * (the common language effect size: McGraw, Wong 1992); 0.5 = alike, null = a side has none.
   */
  readonly slower: number | null
}

/**
 * The threshold, ms, that counting can go by: the upper bound of the bucket of `ms`, at most 10 % above it. It is stored,
 * and stays as it is during a rollout: one that followed stable's durations would be no threshold of both sides alike.
 */
export function countableThreshold(ms: number): number {
  const last = DURATION_BOUNDS_MS.length - 1
  return DURATION_BOUNDS_MS[Math.min(bucketOf(ms), last)] as number
}

/** The threshold `auto`, ms: stable's p95 of the warm-up. null = nothing was counted. */
export function autoThreshold(stable: DurationPairs): number | null {
  const ms = quantileOf(bucketsOf(stable), SLOW_QUANTILE)
  return ms === null ? null : countableThreshold(ms)
}

/** Counts the requests, and those slower than `thresholdMs`, which is a countable one. */
export function slowOf(durations: DurationPairs, thresholdMs: number): Counted {
  const lastQuick = bucketOf(thresholdMs)
  let requests = 0
  let bad = 0
  for (let i = 0; i + 1 < durations.length; i += 2) {
    const count = durations[i + 1] as number
    requests += count
    if ((durations[i] as number) > lastQuick) bad += count
  }
  return { requests, bad }
}

/** Compares the durations of both sides, for people: it decides nothing. */
export function latencyReport(canary: DurationPairs, stable: DurationPairs): LatencyReport {
  const ofCanary = bucketsOf(canary)
  const ofStable = bucketsOf(stable)
  return { canary: quantilesOf(ofCanary), stable: quantilesOf(ofStable), slower: slowerShare(ofCanary, ofStable) }
}

function slowerShare(canary: Uint32Array, stable: Uint32Array): number | null {
  let slower = 0
  let ofCanary = 0
  let ofStable = 0
  for (const [bucket, count] of canary.entries()) {
    const alike = stable[bucket] as number
    slower += count * (ofStable + alike / 2)
    ofCanary += count
    ofStable += alike
  }
  return ofCanary === 0 || ofStable === 0 ? null : slower / ofCanary / ofStable
}

function quantilesOf(buckets: Uint32Array): Quantiles {
  return { p50: quantileOf(buckets, 0.5), p95: quantileOf(buckets, 0.95), p99: quantileOf(buckets, 0.99) }
}

function bucketsOf(durations: DurationPairs): Uint32Array {
  const figures = new Figures()
  figures.addRow([], durations)
  return figures.durations
}
