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

/** Methods that are tried again by default. */
const REPEATABLE = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']
/** Max bytes of a body that are kept for another try by default. */
const KEPT_BYTES = 65_536

/** Returns the exchange as expected where requests are tried again, with the result of a first try that fails. */
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
    // The client may or may not have sent its whole body when the server fails.
    return {
      ...failing,
      request: { ...request, closes },
      response: { ...response, fate: 'bad' },
      seen: { least: 0, most: seen.most },
    }
  }
  const again = { ...failing, tries: 2, seen: { ...seen, most: 2 * seen.most } }
  if (bytesOf(request.pieces) + bytesOf(request.held) <= KEPT_BYTES) return again
  // The result depends on how much of the body had arrived.
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
