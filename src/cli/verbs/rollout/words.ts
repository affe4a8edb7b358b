import type { Rollout, RolloutMetric } from '../../../client/create-client.ts'
import type { Ink } from '../../output/paint.ts'
import { harmless } from '../../output/text.ts'

/** Marks of a state and of a step: done, current, to come, and what went wrong. */
export const MARKS = { done: '✔', current: '●', coming: '○', failed: '✖', paused: '‖' } as const

/** How a state looks. */
export function lookOf({ state }: Rollout): { readonly mark: string; readonly ink: Ink } {
  switch (state) {
    case 'Succeeded':
      return { mark: MARKS.done, ink: 'green' }
    case 'Aborting':
    case 'Aborted':
      return { mark: MARKS.failed, ink: 'red' }
    case 'Superseded':
      return { mark: MARKS.failed, ink: 'yellow' }
    case 'Paused':
      return { mark: MARKS.paused, ink: 'yellow' }
    default:
      return { mark: MARKS.current, ink: 'cyan' }
  }
}

/** The state with its reason: `Paused (Gate)`. */
export function stateOf({ state, reason }: Rollout): string {
  // One that was superseded keeps the reason of its last pause.
  return reason === null || state === 'Superseded' ? state : `${state} (${harmless(reason)})`
}

/** Where it is: `step 3 of 9, 25 %`. */
export function whereOf({ step, weight, state }: Rollout): string {
  const isPast = state === 'Succeeded' || step.kind === null
  return isPast ? percent(weight.set) : `step ${step.index} of ${step.of}, ${percent(weight.set)}`
}

/** Why it is as it is, and what it waits for; empty = nothing is to be said. */
export function whyOf({ waitingFor, detail, state }: Rollout): string {
  if (state === 'Superseded') return ''
  const parts = new Set([detail, waitingFor].filter((text) => text !== null))
  return harmless([...parts].join('; '))
}

export function percent(value: number): string {
  return `${Math.round(value * 100) / 100} %`
}

/** How a metric stands, in short: `errors ×4.7, evidence 12 of 5000`. */
export function metricInShort({ name, kind, ratio, evidence, threshold, value }: RolloutMetric): string {
  if (kind === 'web') return `${name} ${value ?? 'not measured'}`
  return `${name}${ratio === null ? '' : ` ×${ratio}`}, evidence ${figure(evidence)} of ${figure(threshold)}`
}

/** A number with as many digits as matter. */
export function figure(value: number): string {
  if (value >= 1e6) return value.toExponential(1).replace('e+', 'e')
  return value >= 10 ? String(Math.round(value)) : String(Math.round(value * 10) / 10)
}
