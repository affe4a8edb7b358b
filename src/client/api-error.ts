import type { Problem } from './answers.ts'

/** The API refused a request, or failed: an RFC 9457 problem. */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly status: number
  readonly title: string
  /** What went wrong, and what to do instead. */
  readonly detail: string
  /** Invalid values with their paths (422); otherwise empty. */
  readonly problems: readonly { readonly path: string; readonly message: string }[]
  /** The whole problem: `known` names (404), `actual` revision (412), what is `missing` (504), … */
  readonly body: Problem

  constructor(body: Problem) {
    super(body.detail)
    this.status = body.status
    this.title = body.title
    this.detail = body.detail
    this.problems = body.problems ?? []
    this.body = body
  }
}

/** A url that did not answer. */
export interface Attempt {
  readonly url: string
  readonly reason: string
  /** Whether the request may have arrived. */
  readonly mayHaveArrived: boolean
}

/** None of the urls answered. */
export class NoAnswerError extends Error {
  override name = 'NoAnswerError'
  readonly attempts: readonly Attempt[]
  /** Whether a change may have been made: look at the state before you repeat it. */
  readonly mayBeDone: boolean

  constructor(attempts: readonly Attempt[], isWrite: boolean, cause: unknown) {
    const mayBeDone = isWrite && attempts.some(({ mayHaveArrived }) => mayHaveArrived)
    const each = attempts.map(({ url, reason }) => `${url} (${reason})`).join(', ')
    const hint = mayBeDone ? '; the change may have been made: look at the state before you repeat it' : ''
    super(`no answer from ${each}${hint}`, { cause })
    this.attempts = attempts
    this.mayBeDone = mayBeDone
  }
}
