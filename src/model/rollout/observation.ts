import type { MetricStanding, Rollout, WebStanding } from './rollout.ts'
import type { RoutedShares } from './routed-shares.ts'

/** Servers of a pool. */
export interface PoolHealth {
  /** Number that take requests, at every instance. */
  readonly up: number
  readonly of: number
}

/** What the judge has made of the counts since it last looked. */
export interface Judged {
  /** Standings of all metrics after that. */
  readonly metrics: readonly MetricStanding[]
  readonly shares: RoutedShares
  readonly drift: Rollout['drift']
  /** The same as that of the rollout = there was nothing to judge. */
  readonly judgedUntil: number
  /** Time of it in which the counts of the fleet were known, ms. */
  readonly soakMs: number
  readonly canaryRequests: number
  readonly stableRequests: number
  /** The stable pool fails so many requests that a comparison says nothing. */
  readonly isStableBad: boolean
}

/** How a call of a step has ended: a hook, or a health gate. */
export interface CallOutcome {
  /** The step and attempt that it was made for. */
  readonly index: number
  readonly attempt: number
  /** Number of failures before it. */
  readonly failures: number
  readonly ok: boolean
  readonly detail: string
}

/** What the leader knows when it looks at a rollout. */
export interface Observation {
  /** The store's clock, ms. */
  readonly nowMs: number
  /** Of the leader's lease; 0 = no lease is needed. */
  readonly epoch: number
  /** Names of the instances that have not applied the last change of the service. */
  readonly lagging: readonly string[]
  readonly canary: PoolHealth
  readonly stable: PoolHealth
  /** Min servers of a pool that gets requests. */
  readonly minReady: number
  /** Requests of each side that a step needs to pass. */
  readonly minRequests: number
  /** null = no new counts. */
  readonly judged: Judged | null
  /** 95th percentile of the durations of the stable pool, ms; null = too few requests. */
  readonly slowMs: number | null
  /** Web metrics measured since, by name. */
  readonly measured: Readonly<Record<string, WebStanding>>
  /** null = none has ended since. */
  readonly call: CallOutcome | null
  /** Why the service is frozen; null = it is not. */
  readonly frozen: string | null
}
