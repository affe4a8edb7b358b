/** How much evidence aborts a rollout: `high` finds more, `strict` raises fewer false alarms. */
export type Sensitivity = 'high' | 'normal' | 'strict'

/** Requests (or tries), and how many of them were bad: failed, or slow. */
export type Counted = {
  readonly requests: number
  readonly bad: number
}

/** Both sides at the same time, under one routing decision. */
export type Stratum = {
  readonly canary: Counted
  readonly stable: Counted
}

/**
 * What the ticks so far say about one metric. It is stored in the document of the rollout, so that another leader goes on
 * from it.
 */
export type MetricEvidence = {
  /** Evidence, as a natural logarithm, that the canary is worse by each of the judge's ratios. Empty = none yet. */
  readonly logs: readonly number[]
  /** Ticks in which both sides had requests; the sums below are of these. */
  readonly ticks: number
  readonly canary: Counted
  readonly stable: Counted
  /** Bad requests of each side, each multiplied by the other side's share of the requests of its tick. */
  readonly matched: { readonly canary: number; readonly stable: number }
}

/** Natural logarithm of the mean of exp(each of `logs`), at any size of these. 0 = there are none. */
export function logMeanExp(logs: readonly number[]): number {
  if (logs.length === 0) return 0
  let most = Number.NEGATIVE_INFINITY
  for (const log of logs) if (log > most) most = log
  let sum = 0
  for (const log of logs) sum += Math.exp(log - most)
  return most + Math.log(sum / logs.length)
}

/** Max value that is shown: JSON has no infinity. */
const MAX_EVIDENCE = 1e12

/** The evidence for people: what fails a canary when it reaches 1,000 or 5,000, by sensitivity. */
export function evidenceValue(logs: readonly number[]): number {
  return Math.min(MAX_EVIDENCE, Number(Math.exp(Math.min(50, logMeanExp(logs))).toPrecision(3)))
}

export const NO_EVIDENCE: MetricEvidence = {
  logs: [],
  ticks: 0,
  canary: { requests: 0, bad: 0 },
  stable: { requests: 0, bad: 0 },
  matched: { canary: 0, stable: 0 },
}
