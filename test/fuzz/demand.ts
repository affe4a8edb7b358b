import type { Answer } from './client.ts'
import type { PlannedExchange } from './plan.ts'
import { show } from './wire.ts'

/** A broken expectation. */
export class Violation extends Error {}

/** Throws a Violation unless `what` is true. `why`: the mistake in the exchange. */
export function demand(what: boolean, { id, faults }: PlannedExchange, why: string, answer: Answer | undefined): void {
  if (what) return
  const got = answer === undefined ? '' : `: ${show(answer.message.startLine)}, body ${show(answer.message.body)}`
  const whole = answer === undefined || answer.isWhole ? '' : ' (broken off)'
  throw new Violation(`request ${id} (${faults.join(', ') || 'nothing wrong with it'}) ${why}${got}${whole}`)
}
