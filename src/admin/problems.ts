import { firstProblems, problemLines, quote, suggestion } from '../config/problems.ts'
import type { Problem, Refusal } from '../model/refusal.ts'

const MAX_KNOWN = 50

/** An error answer by RFC 9457, `application/problem+json`: what went wrong, and what to do instead. */
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
    const { status, title, message, members } = this
    const slug = slugOf(title)
    const help = `/docs/problems/${slug}`
    return { type: `urn:cutover:problem:${slug}`, title, status, detail: message, help, ...members }
  }
}

/** The name of a problem in its `type`. */
export function slugOf(title: string): string {
  return title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
}

/** 422 for invalid values: the first fifty, with their paths, and the number of others. */
export function invalidProblem(problems: readonly Problem[], title = 'Invalid value', lead = ''): ApiProblem {
  const { shown, more } = firstProblems(problems)
  const members = { problems: shown, ...(more === 0 ? {} : { moreProblems: more }) }
  return new ApiProblem(422, title, `${lead}${problemLines(problems).join('; ')}`, members)
}

/** 404 for a name that does not exist, with the nearest known one, and at most fifty known ones. */
export function unknownProblem(what: string, name: string, known: readonly string[]): ApiProblem {
  const listed = known.length === 0 ? ' There are none.' : ` Known: ${known.slice(0, 20).join(', ')}.`
  const hint = suggestion(name, known).replace(/^; d/, ' D')
  const more = known.length - MAX_KNOWN
  return new ApiProblem(404, `Unknown ${what}`, `There is no ${what} ${quote(name)}.${hint}${listed}`, {
    known: known.slice(0, MAX_KNOWN),
    ...(more > 0 ? { moreKnown: more } : {}),
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
        `${refusal.detail} To do it nevertheless, send {"force": true}.`,
      )
    case 'conflict':
      return new ApiProblem(409, 'Does not fit the state', refusal.detail)
    case 'moved': {
      const { expected, actual } = refusal
      const detail = `If-Match is ${expected}, but the resource is at revision ${actual}. Read it again and decide again.`
      return new ApiProblem(412, 'The resource has moved on', detail, { expected, actual })
    }
  }
}
