import { evidenceValue } from '../model/rollout/metric-evidence.ts'
import { stepOf } from '../model/rollout/moves.ts'
import { hasEnded, type MetricStanding, type Rollout } from '../model/rollout/rollout.ts'
import { ratioOf } from '../model/rollout/rollout-events.ts'
import type { Step } from '../model/rollout/rollout-spec.ts'
import { waitingFor } from '../model/rollout/waiting.ts'
import type { FindableRatio } from './findable-ratio.ts'
import { MinRequests } from './min-requests.ts'
import type { Surroundings } from './surroundings.ts'

export interface StepView {
  readonly index: number
  readonly kind: Step['kind']
  /** The step in short: `25 %`, `5m`, `gate qa`. */
  readonly text: string
}

/** A rollout as the API shows it. */
export interface RolloutView {
  readonly id: string
  readonly service: string
  readonly from: string
  readonly to: string
  readonly state: Rollout['state']
  readonly reason: Rollout['reason']
  readonly detail: string | null
  readonly strategy: string
  readonly step: {
    /** From 1. */
    readonly index: number
    readonly of: number
    readonly kind: Step['kind'] | null
    readonly attempt: number
    readonly since: string
    readonly soakSeconds: number
    readonly gate: string | null
  }
  readonly steps: readonly StepView[]
  readonly weight: { readonly set: number; readonly measured: number | null; readonly drift: Rollout['drift'] }
  readonly convergence: { readonly applied: boolean; readonly lagging: readonly string[] }
  /** Name of the instance that runs it; null = none at the moment. */
  readonly leader: string | null
  readonly epoch: number
  readonly metrics: readonly MetricView[]
  readonly waitingFor: string | null
  /** The smallest ratio of bad requests that the current step can find at this rate; null = it cannot be said. */
  readonly findableRatio: number | null
  readonly by: string
  readonly note: string | null
  readonly startedAt: string
  readonly endedAt: string | null
}

export interface MetricView {
  readonly name: string
  readonly kind: 'errorRate' | 'latency' | 'web'
  readonly canary: { readonly requests: number; readonly bad: number }
  readonly stable: { readonly requests: number; readonly bad: number }
  readonly ratio: number | null
  readonly evidence: number
  readonly threshold: number
  readonly verdict: MetricStanding['verdict']
  readonly thresholdMs: number | null
  readonly value: number | null
  readonly problem: string | null
}

export interface ReportContext {
  readonly surroundings: Surroundings
  readonly findable: FindableRatio
  readonly leader: string | null
  readonly nowMs: number
}

export function viewRollout(rollout: Rollout, { surroundings, findable, leader, nowMs }: ReportContext): RolloutView {
  const { id, service, from, to, state, reason, detail, spec, step, weight } = rollout
  const isOver = hasEnded(rollout)
  const seen = surroundings.observe(rollout)
  const minRequests = isOver ? 0 : new MinRequests().of(rollout, surroundings)
  const current = stepOf(rollout)
  return {
    id,
    service,
    from,
    to,
    state,
    reason,
    detail,
    strategy: spec.strategy,
    step: {
      index: Math.min(step.index + 1, spec.steps.length),
      of: spec.steps.length,
      kind: current?.kind ?? null,
      attempt: step.attempt,
      since: new Date(step.sinceMs).toISOString(),
      soakSeconds: Math.round(step.soakMs / 1_000),
      gate: state === 'Paused' && reason === 'Gate' && current?.kind === 'pause' ? current.name : null,
    },
    steps: spec.steps.map((each, i) => ({ index: i + 1, kind: each.kind, text: describeStep(each) })),
    weight: {
      set: weight,
      measured: isOver ? null : surroundings.measuredShare(rollout),
      drift: rollout.drift,
    },
    convergence: { applied: seen.lagging.length === 0, lagging: isOver ? [] : seen.lagging },
    leader: isOver ? null : leader,
    epoch: rollout.epoch,
    metrics: rollout.metrics.map((metric) => viewMetric(rollout, metric)),
    waitingFor: isOver
      ? null
      : waitingFor(rollout, { ...seen, nowMs, minRequests, epoch: rollout.epoch, measured: {} }),
    findableRatio: isOver ? null : findable.of(rollout),
    by: rollout.by,
    note: rollout.note,
    startedAt: new Date(rollout.startedMs).toISOString(),
    endedAt: rollout.endedMs === null ? null : new Date(rollout.endedMs).toISOString(),
  }
}

function viewMetric({ spec }: Rollout, metric: MetricStanding): MetricView {
  const { name, canary, stable, evidence, threshold, verdict, thresholdMs, web } = metric
  const kind = spec.analysis.metrics.find((each) => each.name === name)?.kind ?? 'errorRate'
  return {
    name,
    kind,
    canary,
    stable,
    ratio: ratioOf(canary, stable),
    evidence: evidenceValue(evidence.logs),
    threshold: Math.round(Math.exp(threshold)),
    verdict,
    thresholdMs: thresholdMs === null ? null : round(thresholdMs),
    value: web?.value ?? null,
    problem: web?.problem ?? null,
  }
}

/** A step in short. */
export function describeStep(step: Step): string {
  switch (step.kind) {
    case 'waitHealthy':
      return step.servers === null ? 'all servers up' : `${step.servers} servers up`
    case 'route':
      return `route ${step.name}`
    case 'mirror':
      return `copies of ${step.copies.share / 100} %`
    case 'hook':
      return 'call a hook'
    case 'setWeight':
      return `${step.percent} %`
    case 'pause':
      return step.forMs === null ? `gate ${step.name}` : `pause ${time(step.forMs)}`
    case 'analysis':
      return `analysis ${time(step.durationMs)}`
    case 'healthGate':
      return `ask ${step.path} up to ${step.times} times`
  }
}

function time(ms: number): string {
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000}h`
  if (ms % 60_000 === 0) return `${ms / 60_000}m`
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
