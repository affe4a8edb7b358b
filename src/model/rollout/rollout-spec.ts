import type { MirrorRule, RequestMatch } from '../traffic-policies.ts'
import type { Sensitivity } from './metric-evidence.ts'
import type { FuseSpec } from './table-rollout.ts'

export type Strategy = 'canary' | 'blueGreen' | 'rolling' | 'healthGate' | 'steps'

/**
 * One step of a rollout. The next one begins when it is complete. `name`: by which people see it, unique within the
 * rollout.
 */
export type Step =
  /** Waits until this many servers of the canary are up; null = all. */
  | { readonly kind: 'waitHealthy'; readonly servers: number | null; readonly timeoutMs: number | null }
  /** Sends matching requests to the canary until the end of the rollout. */
  | { readonly kind: 'route'; readonly name: string; readonly match: RequestMatch }
  /** Sends copies of requests to the canary; a share of 0 ends that. */
  | { readonly kind: 'mirror'; readonly copies: Omit<MirrorRule, 'to' | 'rollout'> }
  /** Calls a URL, and goes on when it answers with a 2xx. */
  | { readonly kind: 'hook'; readonly url: string; readonly timeoutMs: number; readonly retries: number }
  /** Gives the canary this share of the requests, percent. */
  | { readonly kind: 'setWeight'; readonly percent: number }
  /** Waits for a time (`forMs`), or until somebody approves. */
  | PauseStep
  /** Compares the canary with the stable pool for a time. */
  | { readonly kind: 'analysis'; readonly durationMs: number; readonly maxDurationMs: number }
  /** Asks servers of the canary for a path until one of them answers with a 2xx. */
  | { readonly kind: 'healthGate'; readonly path: string; readonly times: number; readonly intervalMs: number }

export type StepKind = Step['kind']

export type PauseStep = {
  readonly kind: 'pause'
  /** Name of the gate. */
  readonly name: string
  /** null = until somebody approves. */
  readonly forMs: number | null
  /** Max time to wait for an approval; null = none. */
  readonly timeoutMs: number | null
  readonly onTimeout: 'abort' | 'approve'
}

/** How many times the bad requests of the stable pool a canary may have, before it fails. */
type Compared = {
  readonly name: string
  /** Tolerated odds ratio of bad requests, canary to stable; at least 1. */
  readonly allowedIncrease: number
  /** Max share of bad requests of the canary, 0 to 1; null = none. */
  readonly max: number | null
  /** What a share above `max` does: the step does not pass, or the rollout fails. */
  readonly absolute: 'hold' | 'abort'
  /** It is shown, and decides nothing. */
  readonly dryRun: boolean
}

/** Something by which a rollout is judged. */
export type MetricSpec =
  | ({ readonly kind: 'errorRate' } & Compared)
  /** Bad are requests slower than the threshold; null = the 95th percentile of the stable pool at the start. */
  | ({ readonly kind: 'latency'; readonly thresholdMs: number | null } & Compared)
  | WebMetricSpec

export type WebMetricSpec = {
  readonly kind: 'web'
  readonly name: string
  readonly url: string
  /** Where in the answer the number is: `$.value`, `$.data[0].rate`. */
  readonly jsonPath: string
  readonly min: number | null
  readonly max: number | null
  readonly intervalMs: number
  /** Number of measurements out of bounds, in a row, that the rollout tolerates. */
  readonly failureLimit: number
  readonly dryRun: boolean
}

export type AnalysisSpec = {
  readonly tickMs: number
  readonly sensitivity: Sensitivity
  /** Min requests of each side for a step to pass; `auto`: enough to find `maxRatio`. */
  readonly minRequests: number | 'auto'
  readonly maxRatio: number
  readonly onInconclusive: 'wait' | 'pause' | 'abort'
  readonly metrics: readonly MetricSpec[]
}

/** A rollout as people ask for it, with every default and unit resolved. Source: ROLLOUTS.md section 1. */
export type RolloutSpec = {
  readonly strategy: Strategy
  readonly steps: readonly Step[]
  readonly analysis: AnalysisSpec
  /** null = off. */
  readonly fuse: FuseSpec | null
  readonly onFailure: 'abort' | 'pause'
  readonly ifStableUnhealthy: 'pause' | 'fastTrack'
  readonly onStoreLoss: { readonly afterMs: number; readonly action: 'stable' | 'hold' }
  /** How long it is watched after the promotion, ms. */
  readonly watchMs: number
  /** Max time without progress of a step that waits for servers, instances or hooks. */
  readonly progressDeadlineMs: number
  /** Max time of the whole rollout. */
  readonly maxDurationMs: number
}
