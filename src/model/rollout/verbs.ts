import type { Problem, Refusal } from '../refusal.ts'
import { percentProblem } from '../split.ts'
import { NO_EVIDENCE } from './metric-evidence.ts'
import { aborting, enterStep, inState, jumpTo, paused, resumed, stepOf } from './moves.ts'
import { hasEnded, type MetricStanding, type Rollout } from './rollout.ts'

/** What a person asks of a rollout that runs. */
export type RolloutVerb =
  | { readonly verb: 'pause' }
  | { readonly verb: 'resume' }
  /** Goes on to the next step; to the promotion (`full`), or to the step of that number, from 1. */
  | { readonly verb: 'promote'; readonly full: boolean; readonly toStep?: number }
  /** Leaves the current step, as if it were complete. */
  | { readonly verb: 'skip' }
  /** Returns to the weight before the current one. */
  | { readonly verb: 'back' }
  | { readonly verb: 'setWeight'; readonly percent: number }
  | { readonly verb: 'abort' }
  /** Begins the current step again, and the evidence anew. */
  | { readonly verb: 'retry' }
  | { readonly verb: 'approve' | 'reject'; readonly gate: string }

/** Who asks, when and why. */
export interface Asked {
  readonly nowMs: number
  readonly by: string
  readonly reason: string | null
}

/** Verbs after which the rollout goes on. */
const LEADING_ON: ReadonlySet<RolloutVerb['verb']> = new Set([
  ...(['resume', 'promote', 'skip', 'back', 'retry', 'approve'] as const),
])
/** Reasons of pauses that only a person ends. */
const WAITING: ReadonlySet<Rollout['reason']> = new Set(['Manual', 'Inconclusive', 'FailureHeld', 'StoreLost'])

/** Carries out what a person asks; the same object = it is so already. Pure. */
export function ask(before: Rollout, verb: RolloutVerb, asked: Asked): Rollout | Refusal {
  const refusal = refusalOf(before, verb)
  if (refusal !== null) return refusal
  const { nowMs, by, reason } = asked
  const rollout = LEADING_ON.has(verb.verb) ? forgiven(before, nowMs) : before
  const { step } = rollout
  switch (verb.verb) {
    case 'pause':
      return rollout.state === 'Paused' && WAITING.has(rollout.reason)
        ? rollout
        : paused(rollout, 'Manual', said('paused', asked), nowMs)
    case 'resume':
      return rollout.state === 'Paused' ? afterPause(rollout, nowMs) : rollout
    case 'promote': {
      if (verb.full) return onward(rollout, rollout.spec.steps.length, nowMs)
      return onward(rollout, verb.toStep === undefined ? step.index + 1 : verb.toStep - 1, nowMs)
    }
    case 'skip':
    case 'approve':
      return onward(rollout, step.index + 1, nowMs)
    case 'back':
      return backFrom(rollout, nowMs)
    case 'setWeight':
      return verb.percent === rollout.weight ? rollout : { ...rollout, weight: verb.percent }
    case 'abort':
      return rollout.state === 'Aborting' ? rollout : aborting(rollout, 'Manual', said('aborted', asked), nowMs)
    case 'retry':
      return enterStep(withoutEvidence(rollout), step.index, nowMs, step.attempt + 1)
    case 'reject':
      return aborting(rollout, 'GateRejected', `${by} has rejected gate ${verb.gate}${because(reason)}`, nowMs)
  }
}

function said(what: string, { by, reason }: Asked): string {
  return `${what} by ${by}${because(reason)}`
}

function because(reason: string | null): string {
  return reason === null ? '' : `: ${reason}`
}

function refusalOf(rollout: Rollout, verb: RolloutVerb): Refusal | null {
  const { id, state, spec, step, to } = rollout
  if (hasEnded(rollout)) return conflict(`Rollout ${id} has ended (${state}). Start a new one.`)
  const isLeaving = state === 'Aborting'
  if (isLeaving && verb.verb !== 'abort') return conflict(`Rollout ${id} is being aborted.`)
  const phase = rollout.resumesTo ?? state
  const isOver = phase === 'Promoting' || phase === 'Watching'
  switch (verb.verb) {
    case 'setWeight': {
      const problem = percentProblem(verb.percent)
      if (problem !== null) return invalid([{ path: 'percent', message: problem }])
      if (isOver) return conflict(`Rollout ${id} has all traffic on ${to} already; send back or abort.`)
      if (phase === 'Pending' || phase === 'Initializing')
        return conflict(`Rollout ${id} is not ready for requests yet (${phase}); send promote to leave this step.`)
      return null
    }
    case 'promote': {
      const { toStep } = verb
      if (toStep !== undefined && (verb.full || toStep <= step.index + 1 || toStep > spec.steps.length)) {
        const range = `from ${step.index + 2} to ${spec.steps.length}`
        return invalid([{ path: 'toStep', message: `must be a step after the current one, ${range}, without full` }])
      }
      return isOver ? conflict(`Rollout ${id} is past its last step (${state}).`) : null
    }
    case 'skip':
      return isOver ? conflict(`Rollout ${id} is past its last step (${state}).`) : null
    case 'resume':
      if (rollout.reason !== 'Gate') return null
      return conflict(`Rollout ${id} waits at a gate: approve or reject it, or skip the step.`)
    case 'retry':
      return isOver ? conflict(`Rollout ${id} is past its last step (${state}).`) : null
    case 'approve':
    case 'reject':
      return gateRefusal(rollout, verb.gate)
    default:
      return null
  }
}

function gateRefusal(rollout: Rollout, gate: string): Refusal | null {
  const gates = rollout.spec.steps.flatMap((step) => (step.kind === 'pause' && step.forMs === null ? [step.name] : []))
  if (!gates.includes(gate)) return { kind: 'unknown', what: 'gate', name: gate, known: gates }
  const step = stepOf(rollout)
  if (step?.kind === 'pause' && step.name === gate && rollout.state !== 'Promoting') return null
  return conflict(`Rollout ${rollout.id} does not wait at gate ${gate} now.`)
}

/** Leaves the current step for a later one; the routes and copies of those between are in force. */
function onward(rollout: Rollout, index: number, nowMs: number): Rollout {
  if (index === rollout.step.index + 1) return enterStep(rollout, index, nowMs)
  const jumped = jumpTo(rollout, index, nowMs)
  return { ...jumped, weight: Math.max(rollout.weight, weightAt(rollout, index)) }
}

/** The weight of the last step before `index` that sets one, but not that of the promotion. */
function weightAt({ spec, weight }: Rollout, index: number): number {
  if (index >= spec.steps.length) return weight
  return spec.steps.slice(0, index).reduce((last, step) => (step.kind === 'setWeight' ? step.percent : last), 0)
}

function afterPause(rollout: Rollout, nowMs: number): Rollout {
  const { step, reason } = rollout
  switch (reason) {
    case 'Step':
      return enterStep(rollout, step.index + 1, nowMs)
    case 'Inconclusive':
    case 'FailureHeld':
      return enterStep(rollout, step.index, nowMs, step.attempt + 1)
    case 'StoreLost':
      return fromWeightStep(rollout, nowMs)
    default:
      return resumed(rollout, nowMs)
  }
}

/** Goes on at the last step that has set a weight: the canary has lost it meanwhile. */
function fromWeightStep(rollout: Rollout, nowMs: number): Rollout {
  const { spec, step } = rollout
  const before = spec.steps.slice(0, step.index + 1).findLastIndex(({ kind }) => kind === 'setWeight')
  if (before === -1) return resumed(rollout, nowMs)
  return jumpTo(inState({ ...rollout, step }, 'Progressing', nowMs), before, nowMs)
}

/** Returns to the step before the current weight was set, with the weight that it had. */
function backFrom(rollout: Rollout, nowMs: number): Rollout | Refusal {
  const { spec, step, weight } = rollout
  const weights = spec.steps.flatMap((each, index) =>
    each.kind === 'setWeight' && index < Math.max(step.index, 0) + 1 ? [{ index, percent: each.percent }] : [],
  )
  const earlier = weights.findLast(({ percent }) => percent < weight)
  if (earlier === undefined)
    return conflict(`Rollout ${rollout.id} has no smaller weight to return to; abort it instead.`)
  const at = jumpTo(inState(rollout, 'Progressing', nowMs), earlier.index, nowMs)
  return { ...at, weight: earlier.percent }
}

/** A failure that a person knows of is none any more. */
function forgiven(rollout: Rollout, nowMs: number): Rollout {
  const isHeld = rollout.state === 'Paused' && rollout.reason === 'FailureHeld'
  return isHeld ? { ...withoutEvidence(rollout), forgivenMs: nowMs } : rollout
}

function withoutEvidence(rollout: Rollout): Rollout {
  const metrics = rollout.metrics.map(
    (metric): MetricStanding => ({
      ...metric,
      evidence: NO_EVIDENCE,
      verdict: 'none',
      web: metric.web && { ...metric.web, failuresInRow: 0, problem: null },
    }),
  )
  return { ...rollout, metrics }
}

function conflict(detail: string): Refusal {
  return { kind: 'conflict', detail }
}

function invalid(problems: readonly Problem[]): Refusal {
  return { kind: 'invalid', problems }
}
