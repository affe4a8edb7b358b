import type { Answer } from './client.ts'
import type { PlannedExchange } from './plan.ts'
import { show } from './wire.ts'

/** Something that must not be. */
export class Violation extends Error {}

/** Throws unless it holds. `why`: what is wrong with the exchange otherwise. */
export function demand(what: boolean, { id, faults }: PlannedExchange, why: string, answer: Answer | undefined): void {
  if (what) return
  const got = answer === undefined ? '' : `: ${show(answer.message.startLine)}, body ${show(answer.message.body)}`
  const whole = answer === undefined || answer.isWhole ? '' : ' (broken off)'
  throw new Violation(`request ${id} (${faults.join(', ') || 'nothing wrong with it'}) ${why}${got}${whole}`)
}
