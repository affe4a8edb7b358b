import { formatProblem, suggestion } from '../config/problems.ts'
import type { Problem, Refusal } from '../model/refusal.ts'

/** An answer of RFC 9457, `application/problem+json`: what went wrong, and what to do instead. */
export class ApiProblem extends Error {
  override name = 'ApiProblem'
  readonly status: number
  readonly title: string
  /** Members beside the standard ones. */
  readonly members: Readonly<Record<string, unknown>>

  constructor(status: number, title: string, detail: string, members: Readonly<Record<string, unknown>> = {}) {
    super(detail)
    this.status = status
    this.title = title
    this.members = members
  }

  toJSON(): object {
    const slug = this.title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
    const { status, title, message, members } = this
    return { type: `urn:cutover:problem:${slug}`, title, status, detail: message, ...members }
  }
}

/** Values that make no sense: all of them, with their paths. */
export function invalidProblem(problems: readonly Problem[]): ApiProblem {
  const detail = problems.map(formatProblem).join('; ')
  return new ApiProblem(422, 'Invalid value', detail, { problems })
}

/** A name that does not exist, with the nearest that does. */
export function unknownProblem(what: string, name: string, known: readonly string[]): ApiProblem {
  const listed = known.length === 0 ? ' There are none.' : ` Known: ${known.slice(0, 20).join(', ')}.`
  const hint = suggestion(name, known).replace(/^; d/, ' D')
  return new ApiProblem(404, `Unknown ${what}`, `There is no ${what} ${JSON.stringify(name)}.${hint}${listed}`, {
    known,
  })
}

export function refusalProblem(refusal: Refusal): ApiProblem {
  switch (refusal.kind) {
    case 'unknown':
      return unknownProblem(refusal.what, refusal.name, refusal.known)
    case 'invalid':
      return invalidProblem(refusal.problems)
    case 'unsafe':
      return new ApiProblem(
        409,
        'Would break a promise',
        `${refusal.detail} To do it all the same, send {"force": true}.`,
      )
    case 'conflict':
      return new ApiProblem(409, 'Does not fit the state', refusal.detail)
    case 'moved': {
      const { expected, actual } = refusal
      const detail = `If-Match is ${expected}, but the resource is at revision ${actual}. Read it again and decide anew.`
      return new ApiProblem(412, 'The resource has moved on', detail, { expected, actual })
    }
  }
}
