import type { AbortReason, PauseReason, Rollout, RolloutState, StepStanding } from './rollout.ts'
import type { Step } from './rollout-spec.ts'

/** Kinds of steps that come before the canary gets requests. */
const PREPARING: ReadonlySet<Step['kind']> = new Set(['waitHealthy', 'hook'])

/** The step that it is in; undefined = all are complete. */
export function stepOf({ spec, step }: Rollout): Step | undefined {
  return spec.steps[step.index]
}

/** Moves to a state; the reason of a pause is gone. */
export function inState(rollout: Rollout, state: RolloutState, nowMs: number): Rollout {
  return { ...rollout, state, reason: null, detail: null, resumesTo: null, stateSinceMs: nowMs }
}

/** Pauses; the state to return to is that before the first pause. */
export function paused(rollout: Rollout, reason: PauseReason, detail: string, nowMs: number): Rollout {
  const resumesTo = rollout.resumesTo ?? rollout.state
  return { ...rollout, state: 'Paused', reason, detail, resumesTo, stateSinceMs: nowMs }
}

/**
 * Returns from a pause to the state before it. The step has its whole time again for what it waits for; only the time of a
 * step that is a pause itself went on.
 */
export function resumed(rollout: Rollout, nowMs: number): Rollout {
  const next = inState(rollout, rollout.resumesTo ?? 'Progressing', nowMs)
  return stepOf(rollout)?.kind === 'pause' ? next : { ...next, step: { ...rollout.step, sinceMs: nowMs } }
}

/** Takes all requests from the canary. */
export function aborting(rollout: Rollout, reason: AbortReason, detail: string, nowMs: number): Rollout {
  const next = inState(rollout, 'Aborting', nowMs)
  return { ...next, reason, detail, weight: 0, routes: [], mirror: null }
}

/** Does what `onFailure` says. */
export function failed(rollout: Rollout, reason: AbortReason, detail: string, nowMs: number): Rollout {
  if (rollout.spec.onFailure === 'abort') return aborting(rollout, reason, detail, nowMs)
  return paused(rollout, 'FailureHeld', detail, nowMs)
}

/** Ends it; reason and detail of an abort stay. */
export function ended(rollout: Rollout, state: 'Succeeded' | 'Aborted' | 'Superseded', nowMs: number): Rollout {
  return { ...rollout, state, resumesTo: null, stateSinceMs: nowMs, endedMs: nowMs, routes: [], mirror: null }
}

/** A step that begins now. */
export function newStep(index: number, attempt: number, nowMs: number): StepStanding {
  return {
    index,
    attempt,
    sinceMs: nowMs,
    soakMs: 0,
    canaryRequests: 0,
    stableRequests: 0,
    failures: 0,
    nextAtMs: 0,
  }
}

/** Begins a step; past the last one, the promotion. A weight is set later, once the canary can take it. */
export function enterStep(rollout: Rollout, index: number, nowMs: number, attempt = 1): Rollout {
  const { spec, routes } = rollout
  const step = spec.steps[index]
  const metrics = rollout.metrics.map((metric) => ({ ...metric, ofStep: { requests: 0, bad: 0 } }))
  const at = { ...rollout, metrics, step: newStep(index, attempt, nowMs) }
  if (step === undefined) return inState(at, 'Promoting', nowMs)
  const isPreparing = rollout.weight === 0 && spec.steps.slice(0, index + 1).every(({ kind }) => PREPARING.has(kind))
  const state = isPreparing ? 'Initializing' : 'Progressing'
  const next = at.state === state ? { ...at, reason: null, detail: null, resumesTo: null } : inState(at, state, nowMs)
  if (step.kind === 'route') return { ...next, routes: [...routes.filter((name) => name !== step.name), step.name] }
  return step.kind === 'mirror' ? { ...next, mirror: copiesOf(step) } : next
}

/** What is in force at a step that somebody has jumped to: the routes and copies of all steps before it. */
export function jumpTo(rollout: Rollout, index: number, nowMs: number): Rollout {
  const before = rollout.spec.steps.slice(0, index)
  const routes = [...new Set(before.flatMap((step) => (step.kind === 'route' ? [step.name] : [])))]
  const mirroring = before.findLast((step) => step.kind === 'mirror')
  const mirror = mirroring === undefined ? null : copiesOf(mirroring)
  return enterStep({ ...rollout, routes, mirror }, index, nowMs)
}

function copiesOf({ copies }: Extract<Step, { kind: 'mirror' }>): Rollout['mirror'] {
  return copies.share === 0 ? null : copies
}
