import { aborting, enterStep, failed, paused, stepOf } from './moves.ts'
import type { Observation } from './observation.ts'
import type { Rollout } from './rollout.ts'
import type { PauseStep, Step } from './rollout-spec.ts'

/** Pause after the first failed call of a hook, ms; it doubles with each further one. */
const HOOK_BACK_OFF_MS = 1_000
const MAX_BACK_OFF_MS = 30_000

/** Goes through the steps as far as possible; past the last one, the state is `Promoting`. */
export function advance(rollout: Rollout, seen: Observation): Rollout {
  let current = rollout
  let next = advanceOnce(current, seen)
  while (next.step.index > current.step.index && stepOf(next) !== undefined && !isAwaiting(current, next)) {
    current = next
    next = advanceOnce(current, { ...seen, call: null })
  }
  return next
}

/** Whether the fleet has to apply something before the next step. */
export function isAwaiting(before: Rollout, after: Rollout): boolean {
  return before.weight !== after.weight || before.routes !== after.routes || before.mirror !== after.mirror
}

function advanceOnce(rollout: Rollout, seen: Observation): Rollout {
  const step = stepOf(rollout)
  if (step === undefined) return rollout
  switch (step.kind) {
    case 'waitHealthy':
      return waitHealthy(rollout, step, seen)
    case 'route':
    case 'mirror':
      return seen.lagging.length === 0 ? next(rollout, seen) : overdue(rollout, seen)
    case 'setWeight':
      return setWeight(rollout, step.percent, seen)
    case 'pause':
      return pause(rollout, step, seen)
    case 'analysis':
      return analysis(rollout, step, seen)
    case 'hook':
    case 'healthGate':
      return call(rollout, step, seen)
  }
}

function next(rollout: Rollout, { nowMs }: Observation): Rollout {
  return enterStep(rollout, rollout.step.index + 1, nowMs)
}

function waitHealthy(rollout: Rollout, step: Extract<Step, { kind: 'waitHealthy' }>, seen: Observation): Rollout {
  const { canary, nowMs } = seen
  const wanted = step.servers ?? canary.of
  if (canary.of > 0 && canary.up >= wanted) return next(rollout, seen)
  const limitMs = step.timeoutMs ?? rollout.spec.progressDeadlineMs
  if (nowMs - rollout.step.sinceMs <= limitMs) return rollout
  const detail = `${canary.up} of ${canary.of} servers of ${rollout.to} are up, ${wanted} were to be`
  return failed(rollout, 'ProgressDeadline', detail, nowMs)
}

function setWeight(rollout: Rollout, percent: number, seen: Observation): Rollout {
  const isHealthy = seen.canary.up >= Math.max(1, seen.minReady)
  const rises = percent > rollout.weight
  if (percent !== rollout.weight) {
    const mayRise = isHealthy && seen.lagging.length === 0
    if (rises && !mayRise) return overdue(rollout, seen)
    return { ...rollout, weight: percent, step: { ...rollout.step, sinceMs: seen.nowMs } }
  }
  if (seen.lagging.length > 0 || (percent > 0 && !isHealthy)) return overdue(rollout, seen)
  return next(rollout, seen)
}

/** Fails a step that has made no progress for too long. */
export function overdue(rollout: Rollout, { nowMs, lagging, canary }: Observation): Rollout {
  const { spec, step } = rollout
  if (nowMs - step.sinceMs <= spec.progressDeadlineMs) return rollout
  const detail =
    lagging.length > 0
      ? `${lagging.join(', ')} had not applied the change in time`
      : `${canary.up} of ${canary.of} servers of ${rollout.to} are up`
  return failed(rollout, 'ProgressDeadline', detail, nowMs)
}

function pause(rollout: Rollout, { name, forMs, timeoutMs, onTimeout }: PauseStep, seen: Observation): Rollout {
  const { nowMs } = seen
  const waitedMs = nowMs - rollout.step.sinceMs
  if (forMs !== null)
    return waitedMs >= forMs ? next(rollout, seen) : paused(rollout, 'Step', `until ${timeAt(rollout, forMs)}`, nowMs)
  if (timeoutMs === null || waitedMs < timeoutMs) {
    const until = timeoutMs === null ? '' : `, until ${timeAt(rollout, timeoutMs)}`
    return paused(rollout, 'Gate', `gate ${name} waits for an approval${until}`, nowMs)
  }
  if (onTimeout === 'approve') return next(rollout, seen)
  return aborting(rollout, 'GateTimeout', `nobody has approved gate ${name} in time`, nowMs)
}

function timeAt({ step }: Rollout, afterMs: number): string {
  return new Date(step.sinceMs + afterMs).toISOString()
}

function analysis(rollout: Rollout, step: Extract<Step, { kind: 'analysis' }>, seen: Observation): Rollout {
  const { nowMs } = seen
  const missing = missingFor(rollout, step, seen)
  if (missing.length === 0) return next(rollout, seen)
  const { onInconclusive } = rollout.spec.analysis
  const elapsedMs = nowMs - rollout.step.sinceMs
  const limitMs = onInconclusive === 'pause' ? step.durationMs : step.maxDurationMs
  if (elapsedMs < limitMs) return rollout
  const detail = missing.join('; ')
  if (onInconclusive === 'abort') return aborting(rollout, 'Inconclusive', detail, nowMs)
  return paused(rollout, 'Inconclusive', detail, nowMs)
}

/** What an analysis still needs to pass, in words; empty = it passes. */
export function missingFor(
  rollout: Rollout,
  { durationMs }: Extract<Step, { kind: 'analysis' }>,
  { lagging, canary, minReady, minRequests }: Omit<Observation, 'judged' | 'call'>,
): readonly string[] {
  const { step, weight, metrics, spec } = rollout
  const missing: string[] = []
  if (step.soakMs < durationMs)
    missing.push(`needs ${seconds(durationMs)} s with counts of the fleet, has ${seconds(step.soakMs)} s`)
  const needs = (side: string, has: number): void => {
    if (has < minRequests) missing.push(`needs ${minRequests} requests of the ${side}, has ${has}`)
  }
  needs('canary', step.canaryRequests)
  if (weight < 100) needs('stable pool', step.stableRequests)
  for (const { name, verdict, ofStep } of metrics) {
    const metric = spec.analysis.metrics.find((each) => each.name === name)
    if (metric === undefined || metric.dryRun) continue
    if (verdict === 'overMax') missing.push(`${name} is above its max (${ofStep.bad} of ${ofStep.requests})`)
    if (metric.kind === 'web' && verdict === 'none') missing.push(`${name} has not been measured yet`)
  }
  if (lagging.length > 0) missing.push(`${lagging.join(', ')} must apply the weight`)
  if (canary.up < Math.max(1, minReady)) missing.push(`${canary.up} of ${canary.of} servers of the canary are up`)
  return missing
}

function seconds(ms: number): number {
  return Math.round(ms / 1_000)
}

function call(rollout: Rollout, step: Extract<Step, { kind: 'hook' | 'healthGate' }>, seen: Observation): Rollout {
  const { call: outcome, nowMs } = seen
  const at = rollout.step
  const isOurs = outcome?.index === at.index && outcome.attempt === at.attempt && outcome.failures === at.failures
  if (outcome === null || !isOurs) return rollout
  if (outcome.ok) return next(rollout, seen)
  const failures = at.failures + 1
  const calls = step.kind === 'hook' ? step.retries + 1 : step.times
  if (failures >= calls) {
    const reason = step.kind === 'hook' ? 'HookFailed' : 'HealthGateFailed'
    return failed(rollout, reason, `${failures} of ${calls} calls have failed; the last one: ${outcome.detail}`, nowMs)
  }
  const waitMs = step.kind === 'hook' ? Math.min(MAX_BACK_OFF_MS, HOOK_BACK_OFF_MS * 2 ** at.failures) : step.intervalMs
  return { ...rollout, step: { ...at, failures, nextAtMs: nowMs + waitMs } }
}
