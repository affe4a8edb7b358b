import fc from 'fast-check'
import { SIMPLEST_FIRST } from './fields.ts'
import type { PlannedRequest, PlannedResponse } from './plan.ts'

/** An `Expect: 100-continue` in a request with a body. */
export interface ExpectationSketch {
  readonly spelling: string
  /** The client holds the body back until it is told to go on. */
  readonly waits: boolean
  /** The server tells it to; otherwise it says nothing, or, to a client that waits, its final answer. */
  readonly agrees: boolean
}

export const expectations: fc.Arbitrary<ExpectationSketch | null> = fc.oneof(
  SIMPLEST_FIRST,
  { weight: 5, arbitrary: fc.constant(null) },
  {
    weight: 1,
    arbitrary: fc.record({
      spelling: fc.constantFrom('Expect: 100-continue', 'expect:100-Continue ', 'EXPECT:\t100-CONTINUE'),
      waits: fc.boolean(),
      agrees: fc.boolean(),
    }),
  },
)

/** Returns the request of a client that waits. `head` and `body`: the pieces in which they are sent. */
export function heldBack(
  planned: PlannedRequest,
  head: readonly Buffer[],
  body: readonly Buffer[],
  { agrees }: ExpectationSketch,
): PlannedRequest {
  const waiting = { ...planned, pieces: head, held: body }
  // After a final response, the proxy cannot know whether the body will come, so the connection ends.
  return agrees ? waiting : { ...waiting, fate: 'declined', closes: true }
}

/** The response to a request that may expect something. */
export function toExpectation(
  request: PlannedRequest,
  response: PlannedResponse,
  expectation: ExpectationSketch | null,
): PlannedResponse {
  if (!request.expects || expectation === null) return response
  return { ...response, continues: expectation.agrees, early: response.early || request.fate === 'declined' }
}

/** Returns the request; its connection may end if the response comes before the body without a 100. */
export function unasked(request: PlannedRequest, response: PlannedResponse): PlannedRequest {
  const isUnsure = request.expects && response.early && !response.continues
  return isUnsure ? { ...request, closes: request.closes || 'maybe' } : request
}
