import type { Counted, MetricEvidence, Stratum } from '../model/rollout/metric-evidence.ts'
import { NO_EVIDENCE } from '../model/rollout/metric-evidence.ts'
import type { Judged } from '../model/rollout/observation.ts'
import type { MetricStanding, Rollout } from '../model/rollout/rollout.ts'
import type { MetricSpec, RolloutSpec } from '../model/rollout/rollout-spec.ts'
import type { Routed } from '../model/rollout/routed-shares.ts'
import { Figure, type Figures } from '../telemetry/ticks/figures.ts'
import { pairsOf } from '../telemetry/ticks/merge-rows.ts'
import { verdictOf, withTick } from './judge/evidence.ts'
import { slowOf } from './judge/latency.ts'
import { failThreshold } from './judge/sensitivity.ts'
import { driftOf, withRouted } from './judge/share-drift.ts'
import { type CountsByDecision, total } from './side-counts.ts'
import type { TakenTick } from './tick-taker.ts'

type ComparedSpec = Exclude<MetricSpec, { kind: 'web' }>

/** What the judge needs beside the counts. */
export interface JudgingContext {
  /** By decision: the share of the canary that it says, 0 to 1. */
  readonly weightOf: (decision: number) => number | null
  /** Whether the stable pool fails so many requests now that a comparison says nothing. */
  readonly isStableBad: boolean
}

/** Natural logarithm of the evidence that fails a canary, and the planned ticks it is for. */
export function thresholdOf(spec: RolloutSpec): number {
  return failThreshold(spec.analysis.sensitivity, plannedTicks(spec))
}

function plannedTicks({ analysis, maxDurationMs }: RolloutSpec): number {
  return Math.max(1, Math.round(maxDurationMs / analysis.tickMs))
}

/** A metric of which nothing is known. */
export function newMetric(metric: MetricSpec, spec: RolloutSpec): MetricStanding {
  return {
    name: metric.name,
    canary: NOTHING,
    stable: NOTHING,
    ofStep: NOTHING,
    evidence: NO_EVIDENCE,
    threshold: thresholdOf(spec),
    verdict: 'none',
    thresholdMs: metric.kind === 'latency' ? metric.thresholdMs : null,
    web: metric.kind === 'web' ? { value: null, failuresInRow: 0, problem: null, nextAtMs: 0 } : null,
  }
}

const NOTHING: Counted = { requests: 0, bad: 0 }

/** Judges a tick. Pure. */
export function judge(rollout: Rollout, tick: TakenTick, { weightOf, isStableBad }: JudgingContext): Judged {
  const { spec } = rollout
  const { counts, until, knownSeconds } = tick
  const metrics = rollout.metrics.map((standing): MetricStanding => {
    const metric = spec.analysis.metrics.find(({ name }) => name === standing.name)
    if (metric === undefined || metric.kind === 'web') return standing
    return judgedMetric(standing, metric, strataOf(counts, metric, standing.thresholdMs))
  })
  const sums = total(counts)
  const requests = (side: Figures): number => side.counts[Figure.requests] as number
  const routed = [...counts].flatMap(([decision, { canary, stable }]): Routed[] => {
    const weight = weightOf(decision)
    return weight === null ? [] : [{ weight, canary: requests(canary), stable: requests(stable) }]
  })
  const ticks = plannedTicks(spec)
  const shares = withRouted(rollout.shares, routed, ticks)
  const canaryRequests = requests(sums.canary)
  const stableRequests = requests(sums.stable)
  return {
    metrics,
    shares,
    drift: driftOf(shares, ticks),
    judgedUntil: until,
    soakMs: canaryRequests + stableRequests === 0 ? 0 : knownSeconds * 1_000,
    canaryRequests,
    stableRequests,
    isStableBad,
  }
}

/** Counts of each decision in the terms of a metric. */
function strataOf(counts: CountsByDecision, metric: ComparedSpec, thresholdMs: number | null): Stratum[] {
  return [...counts.values()].map(({ canary, stable }) => ({
    canary: countedBy(canary, metric, thresholdMs),
    stable: countedBy(stable, metric, thresholdMs),
  }))
}

function countedBy({ counts, durations }: Figures, { kind }: ComparedSpec, thresholdMs: number | null): Counted {
  if (kind === 'errorRate') return { requests: counts[Figure.tries] as number, bad: counts[Figure.failures] as number }
  return thresholdMs === null ? NOTHING : slowOf(pairsOf(durations), thresholdMs)
}

function judgedMetric(standing: MetricStanding, metric: ComparedSpec, strata: readonly Stratum[]): MetricStanding {
  const { allowedIncrease, max } = metric
  const { threshold } = standing
  const evidence: MetricEvidence = withTick(standing.evidence, strata, { allowedIncrease, threshold })
  const canary = strata.reduce((sum, each) => added(sum, each.canary), standing.canary)
  const stable = strata.reduce((sum, each) => added(sum, each.stable), standing.stable)
  const ofStep = strata.reduce((sum, each) => added(sum, each.canary), standing.ofStep)
  const isOver = max !== null && ofStep.requests > 0 && ofStep.bad / ofStep.requests > max
  // A failure that a person has not answered yet does not go away by itself.
  const hasFailed = standing.verdict === 'failed' || verdictOf(evidence, { threshold }) === 'fail'
  const some = canary.requests > 0
  return {
    ...standing,
    evidence,
    canary,
    stable,
    ofStep,
    verdict: hasFailed ? 'failed' : isOver ? 'overMax' : some ? 'ok' : 'none',
  }
}

function added(a: Counted, b: Counted): Counted {
  return { requests: a.requests + b.requests, bad: a.bad + b.bad }
}
