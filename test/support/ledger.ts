import type { Answer } from './cutover.ts'

/** What a command was answered, as far as the state is concerned. */
export type Outcome =
  /** `changed`: whether it made that revision; null where the answer does not say. */
  | { readonly kind: 'acknowledged'; readonly revision: number; readonly changed: boolean | null }
  /** It was said, or is certain, that nothing was done. */
  | { readonly kind: 'refused'; readonly why: string }
  /** It may have been done or not. */
  | { readonly kind: 'unknown'; readonly why: string }

/** A command as it was sent to one instance. Two with the same reason are the same command, sent again. */
export interface Attempt {
  /** Stands in the history of what it changed. */
  readonly reason: string
  readonly instance: string
  /** Method, path and body, for people. */
  readonly what: string
  /** The Idempotency-Key, which all attempts of a command share. */
  readonly key: string | null
  readonly ifMatch: number | null
  /** Milliseconds since the beginning. */
  readonly sentAt: number
  readonly endedAt: number
  readonly outcome: Outcome
}

/** All that was asked for and done, and when. */
export class Ledger {
  readonly attempts: Attempt[] = []
  readonly timeline: string[] = []
  disturbances = 0
  /** What no answer may be, whatever the state is afterwards. */
  readonly wrong: string[] = []
  readonly #beganAt = performance.now()

  /** Milliseconds since the beginning. */
  now(): number {
    return performance.now() - this.#beganAt
  }

  /** Notes what was done to the fleet. */
  note(what: string): void {
    this.timeline.push(`${this.now().toFixed(0).padStart(7)} ms  ${what}`)
  }

  add(attempt: Attempt): void {
    this.attempts.push(attempt)
    const { reason, instance, outcome, what } = attempt
    const how = outcome.kind === 'acknowledged' ? `${outcome.revision} changed=${outcome.changed}` : outcome.why
    const took = `${(attempt.endedAt - attempt.sentAt).toFixed(0)} ms`
    this.note(`    ${reason} at ${instance}, after ${took}: ${outcome.kind} (${how})  ${what}`)
  }

  count(kind: Outcome['kind']): number {
    return this.attempts.filter(({ outcome }) => outcome.kind === kind).length
  }
}

/** What an answer says of the state. */
export function outcomeOf({ status, body }: Answer): Outcome {
  const why = `${status} ${body?.title ?? ''}`.trim()
  if (status === 200) return { kind: 'acknowledged', revision: body.revision, changed: body.changed === true }
  if (status === 503 && ['The store is away', 'The store takes no changes'].includes(String(body?.title)))
    return { kind: 'refused', why }
  // A command that was carried out, and did not come to rest: the problem names the revision.
  const stands = status === 504 || (status === 409 && body?.title === 'Overtaken by a later change')
  if (stands) return { kind: 'acknowledged', revision: body.revision, changed: body.changed ?? null }
  return status >= 400 && status < 500 ? { kind: 'refused', why } : { kind: 'unknown', why }
}

/** What a request without an answer says of the state. */
export function outcomeOfFailure(error: unknown): Outcome {
  const { name, message, cause } = error as Error & { cause?: { code?: string } }
  const why = `${name}: ${message} ${cause?.code ?? ''}`.trim()
  // It never left.
  return cause?.code === 'ECONNREFUSED' ? { kind: 'refused', why } : { kind: 'unknown', why }
}
