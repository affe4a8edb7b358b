/** Requests that one routing decision has routed, and the weight it should have routed them by. */
export type Routed = {
  /** Share that the canary should get, 0 to 1. */
  readonly weight: number
  readonly canary: number
  readonly stable: number
}

/** What the ticks so far say about where requests went. Stored like `MetricEvidence`. */
export type RoutedShares = {
  /** Evidence, as natural logarithms, that the canary gets more than its weight, then that it gets less. Empty = none yet. */
  readonly logs: readonly number[]
  readonly canary: number
  readonly stable: number
  /** Requests that the canary should have got. */
  readonly expected: number
}

export const NOTHING_ROUTED: RoutedShares = { logs: [], canary: 0, stable: 0, expected: 0 }
