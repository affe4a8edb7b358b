import { type DocumentKind, documentsOf } from '../document-kind.ts'
import { isFields } from '../shape.ts'
import type { Documents } from '../state.ts'
import type { MirrorRule } from '../traffic-policies.ts'
import type { Counted, MetricEvidence } from './metric-evidence.ts'
import type { RolloutSpec } from './rollout-spec.ts'
import type { RoutedShares } from './routed-shares.ts'

/** Source: ROLLOUTS.md section 3. */
export type RolloutState =
  | 'Pending'
  | 'Initializing'
  | 'Progressing'
  | 'Paused'
  | 'Promoting'
  | 'Watching'
  | 'Succeeded'
  | 'Aborting'
  | 'Aborted'
  | 'Superseded'

export type PauseReason =
  | 'Manual'
  | 'Step'
  | 'Gate'
  | 'Inconclusive'
  | 'ProviderError'
  | 'StoreLost'
  | 'BaselineDegraded'
  | 'FailureHeld'
  | 'Frozen'

export type AbortReason =
  | 'fuse'
  | 'CanaryUnhealthy'
  | 'MetricFailed'
  | 'HookFailed'
  | 'HealthGateFailed'
  | 'GateRejected'
  | 'GateTimeout'
  | 'ProgressDeadline'
  | 'MaxDuration'
  | 'Inconclusive'
  | 'Manual'

/** What is known of one metric. */
export type MetricStanding = {
  readonly name: string
  /** Counts since the rollout began, as far as the judge has taken them. */
  readonly canary: Counted
  readonly stable: Counted
  /** Counts of the canary since the step began. */
  readonly ofStep: Counted
  readonly evidence: MetricEvidence
  /** Natural logarithm of the evidence that fails the canary. */
  readonly threshold: number
  readonly verdict: 'none' | 'ok' | 'failed' | 'overMax'
  /** Frozen threshold of a latency metric, ms; null = not known yet. */
  readonly thresholdMs: number | null
  /** Of a web metric; null = it is none. */
  readonly web: WebStanding | null
}

export type WebStanding = {
  /** The last measurement; null = there was none yet. */
  readonly value: number | null
  readonly failuresInRow: number
  /** Why the last measurement has failed; null = it has not. */
  readonly problem: string | null
  /** When the next one is due, ms by the store's clock. */
  readonly nextAtMs: number
}

/** Where a rollout is in its steps. */
export type StepStanding = {
  /** From 0; the number of steps = all are complete. */
  readonly index: number
  readonly attempt: number
  /** When it began, or last made progress, ms by the store's clock. */
  readonly sinceMs: number
  /** Time of it in which the fleet's counts were known, ms. */
  readonly soakMs: number
  /** Requests routed meanwhile. */
  readonly canaryRequests: number
  readonly stableRequests: number
  /** Calls of a hook, or answers of a health gate, that have failed. */
  readonly failures: number
  /** When the next call is due, ms by the store's clock; 0 = now. */
  readonly nextAtMs: number
}

/** A rollout as the store keeps it: its document in the collection `rollouts`, by its id. */
export type Rollout = {
  readonly id: string
  readonly service: string
  /** The stable pool. */
  readonly from: string
  /** The canary. */
  readonly to: string
  readonly by: string
  readonly note: string | null
  readonly spec: RolloutSpec
  readonly state: RolloutState
  /** Why it is paused, or was aborted; null = it is neither. */
  readonly reason: PauseReason | AbortReason | null
  /** The same for people, with figures. */
  readonly detail: string | null
  /** The state to which it returns after a pause; null = it is not paused. */
  readonly resumesTo: RolloutState | null
  /** Share of the canary, percent. */
  readonly weight: number
  readonly step: StepStanding
  /** Names of the routes in force. */
  readonly routes: readonly string[]
  /** The copies in force; null = none. */
  readonly mirror: Omit<MirrorRule, 'to' | 'rollout'> | null
  readonly metrics: readonly MetricStanding[]
  /** Where requests went, compared with the weight. */
  readonly shares: RoutedShares
  readonly drift: 'ok' | 'more' | 'less'
  /** First revision of the state whose routing decisions are this rollout's. */
  readonly firstDecision: number
  /** End of the last second of the store's clock whose counts the judge has taken. */
  readonly judgedUntil: number
  /** When the state began, and the rollout, ms by the store's clock. */
  readonly stateSinceMs: number
  readonly startedMs: number
  readonly endedMs: number | null
  /** When somebody let it go on after a failure: maxDuration counts from then. Absent = nobody has. */
  readonly forgivenMs?: number
  /** Epoch of the lease under which it last moved; 0 = none yet. */
  readonly epoch: number
  /** Signs the links of its gates. Secret. */
  readonly gateKey: string
  /** Whether it was done on purpose against a promise. */
  readonly forced: boolean
}

export const ROLLOUTS: DocumentKind<Rollout> = {
  collection: 'rollouts',
  fits: (value): value is Rollout =>
    [value.id, value.service, value.from, value.to, value.state].every((each) => typeof each === 'string') &&
    isFields(value.spec) &&
    Array.isArray(value.spec.steps) &&
    isFields(value.spec.analysis) &&
    isFields(value.step) &&
    Array.isArray(value.metrics) &&
    typeof value.weight === 'number',
}

const ENDED: ReadonlySet<RolloutState> = new Set(['Succeeded', 'Aborted', 'Superseded'])

/** Whether nothing moves it any more. */
export function hasEnded({ state }: Pick<Rollout, 'state'>): boolean {
  return ENDED.has(state)
}

type Collected = Pick<Documents, 'collections'>

/** The rollouts of a service, oldest first. */
export function rolloutsOf(documents: Collected, service: string): readonly Rollout[] {
  return documentsOf(ROLLOUTS, documents)
    .map(({ value }) => value)
    .filter((rollout) => rollout.service === service)
    .sort((a, b) => a.startedMs - b.startedMs || a.firstDecision - b.firstDecision)
}

/** The rollout of a service that has not ended; null = there is none. */
export function runningRollout(documents: Collected, service: string): Rollout | null {
  return rolloutsOf(documents, service).find((rollout) => !hasEnded(rollout)) ?? null
}

/** All rollouts that have not ended. */
export function runningRollouts(documents: Collected): readonly Rollout[] {
  return documentsOf(ROLLOUTS, documents)
    .map(({ value }) => value)
    .filter((rollout) => !hasEnded(rollout))
}

/** A rollout of a service by its id; null = there is none. */
export function findRollout(documents: Collected, service: string, id: string): Rollout | null {
  return rolloutsOf(documents, service).find((rollout) => rollout.id === id) ?? null
}
