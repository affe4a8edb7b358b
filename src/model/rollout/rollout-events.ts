import type { EventDraft } from '../event-record.ts'
import { eventRecord } from '../events.ts'
import type { JsonObject } from '../json.ts'
import { type Counted, evidenceValue } from './metric-evidence.ts'
import { hasEnded, type Rollout } from './rollout.ts'

/** Who has changed a rollout, when and with which revision. */
export interface RolloutChange {
  readonly at: string
  readonly by: string
  readonly reason: string | null
  readonly revision: number
  readonly forced: boolean
}

/** The events of a change of a rollout. `before`: null = it begins. */
export function rolloutEvents(before: Rollout | null, after: Rollout, change: RolloutChange): EventDraft[] {
  const types = before === null ? ['started'] : changesBetween(before, after)
  return types.map((type) => ({
    event: eventRecord({
      ...change,
      type: `rollout.${type}`,
      service: after.service,
      pool: after.to,
      before: before === null ? null : briefly(before),
      after: { ...briefly(after), ...(REPORTED.has(type) ? { metrics: figures(after) } : {}) },
    }),
  }))
}

/** Types of events that carry the figures of the metrics. */
const REPORTED: ReadonlySet<string> = new Set(['aborting', 'aborted', 'succeeded', 'paused', 'promoting'])

function changesBetween(before: Rollout, after: Rollout): string[] {
  const types: string[] = []
  if (before.state !== after.state || before.reason !== after.reason) {
    if (after.state === 'Paused') types.push(after.reason === 'Gate' ? 'gate' : 'paused')
    else if (before.state === 'Paused' && !hasEnded(after) && after.state !== 'Aborting') types.push('resumed')
    if (NAMED.has(after.state)) types.push(after.state.toLowerCase())
  }
  const isNewStep = before.step.index !== after.step.index || before.step.attempt !== after.step.attempt
  if (isNewStep && after.step.index < after.spec.steps.length) types.push('step')
  if (before.weight !== after.weight) types.push('weight')
  return types
}

const NAMED: ReadonlySet<Rollout['state']> = new Set([
  'Promoting',
  'Watching',
  'Succeeded',
  'Aborting',
  'Aborted',
  'Superseded',
])

/** A rollout in short, for the history and for events. */
export function briefly({ id, state, reason, detail, step, spec, weight, from, to }: Rollout): JsonObject {
  const at = spec.steps[step.index]
  const steps = { step: Math.min(step.index + 1, spec.steps.length), of: spec.steps.length, kind: at?.kind ?? null }
  return { rollout: id, from, to, state, reason, detail, ...steps, attempt: step.attempt, weight }
}

function figures({ metrics }: Rollout): JsonObject[] {
  return metrics.map(({ name, canary, stable, evidence, threshold, verdict, web }) => ({
    name,
    canary,
    stable,
    ratio: ratioOf(canary, stable),
    evidence: evidenceValue(evidence.logs),
    threshold: Math.round(Math.exp(threshold)),
    verdict,
    value: web?.value ?? null,
  }))
}

/** How many times the share of bad requests of the stable pool the canary has; null = it cannot be said. */
export function ratioOf(canary: Counted, stable: Counted): number | null {
  if (canary.requests === 0 || stable.requests === 0 || stable.bad === 0) return null
  return rounded(canary.bad / canary.requests / (stable.bad / stable.requests))
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
