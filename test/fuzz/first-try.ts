import fc from 'fast-check'
import { SIMPLEST_FIRST } from './fields.ts'
import type { FirstTry, PlannedExchange } from './plan.ts'

/** A server that fails a request before it has answered anything, the first time it comes; null = it does not. */
export const firstTries: fc.Arbitrary<FirstTry | null> = fc.oneof(
  SIMPLEST_FIRST,
  { weight: 4, arbitrary: fc.constant(null) },
  {
    weight: 1,
    arbitrary: fc.record({
      behind: fc.constantFrom<FirstTry['behind'][]>('head', 'whole'),
      ending: fc.constantFrom<FirstTry['ending'][]>('fin', 'reset'),
    }),
  },
)

/** What a proxy may try again, unless it is told otherwise. */
const REPEATABLE = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']
/** Of a request's body that is kept for another try, unless told otherwise. */
const KEPT_BYTES = 65_536

/** The exchange where requests are tried again, and what is to come of a first try that fails. */
export function retried(planned: PlannedExchange, firstTry: FirstTry | null): PlannedExchange {
  const { request, response, seen } = planned
  const isRepeatable = REPEATABLE.includes(request.method)
  if (firstTry === null) {
    const isTriedAgain = isRepeatable && response.fate !== 'whole'
    return isTriedAgain ? { ...planned, tries: 2, seen: { ...seen, most: 2 * seen.most } } : planned
  }
  const failing = { ...planned, firstTry: { ...firstTry, behind: response.early ? 'head' : firstTry.behind } } as const
  const closes = request.closes || 'maybe'
  if (!isRepeatable) {
    // Of what was on its way when the server failed, nobody knows whether the client still sends it.
    return {
      ...failing,
      request: { ...request, closes },
      response: { ...response, fate: 'bad' },
      seen: { least: 0, most: seen.most },
    }
  }
  const again = { ...failing, tries: 2, seen: { ...seen, most: 2 * seen.most } }
  if (bytesOf(request.pieces) + bytesOf(request.held) <= KEPT_BYTES) return again
  // It depends on how much of it had come.
  const fate = response.fate === 'whole' ? 'whole or bad' : response.fate
  return {
    ...again,
    request: { ...request, closes },
    response: { ...response, fate },
    seen: { ...again.seen, least: 0 },
  }
}

function bytesOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}
