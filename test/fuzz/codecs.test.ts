import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nodeRequests, nodeResponse } from '../http1/node-messages.ts'
import { readRequests, readResponses } from '../http1/read-messages.ts'
import { inPieces, requestBytes, responseBytes } from './codec-messages.ts'

/** Ten times the cases that are sent through the proxy, which cost more. */
const { FUZZ_RUNS } = process.env
const RUNS = { numRuns: FUZZ_RUNS === undefined ? 300 : 10 * Number(FUZZ_RUNS) }
const TIMEOUT_MS = 30 * 60_000

test('whatever requests our reader takes, Node takes, and finds the same in them', {
  timeout: TIMEOUT_MS,
}, async () => {
  await fc.assert(
    fc.asyncProperty(requestBytes, async (bytes) => {
      const { messages } = readRequests([bytes])
      if (messages.length === 0) return
      expect((await nodeRequests(bytes)).slice(0, messages.length)).toEqual(messages)
    }),
    RUNS,
  )
})

test('whatever responses our reader takes, Node takes, and finds the same in them', {
  timeout: TIMEOUT_MS,
}, async () => {
  await fc.assert(
    fc.asyncProperty(responseBytes, fc.boolean(), async (bytes, toHead) => {
      const { messages, isCut, refusal, rest } = readResponses([bytes], toHead)
      const last = messages.at(-1)
      // A connection with bytes behind its response is closed.
      if (last === undefined || last.start.startsWith('1') || isCut || refusal !== null || rest > 0) return
      expect(await nodeResponse(bytes, toHead)).toEqual(last)
    }),
    RUNS,
  )
})

test('messages that come in pieces of any size are the same messages', { timeout: TIMEOUT_MS }, () => {
  fc.assert(
    fc.property(requestBytes, responseBytes, (requests, responses) => {
      const whole = [readRequests([requests]), readResponses([responses])]
      for (const size of [1, 2, 3, 7]) {
        const split = [readRequests(inPieces(requests, size)), readResponses(inPieces(responses, size))]
        expect(split).toEqual(whole)
      }
      for (let at = 1; at < requests.length; at++) {
        expect(readRequests([requests.subarray(0, at), requests.subarray(at)])).toEqual(whole[0])
      }
    }),
    { numRuns: Math.ceil(RUNS.numRuns / 10) },
  )
})
