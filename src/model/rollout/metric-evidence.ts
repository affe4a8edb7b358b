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

export const NO_EVIDENCE: MetricEvidence = {
  logs: [],
  ticks: 0,
  canary: { requests: 0, bad: 0 },
  stable: { requests: 0, bad: 0 },
  matched: { canary: 0, stable: 0 },
}
