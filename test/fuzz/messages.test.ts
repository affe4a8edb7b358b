import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { metric } from '../proxy/support.ts'
import { until } from '../support/until.ts'
import { Arena } from './arena.ts'
import { cases } from './cases.ts'
import type { Lane } from './lane.ts'
import { kindOf } from './lane-kind.ts'

/** Cases in all: FUZZ_RUNS. One of them again: FUZZ_SEED and FUZZ_PATH, as printed when it failed. */
const { FUZZ_RUNS = '300', FUZZ_SEED, FUZZ_PATH } = process.env
const RUNS = Number(FUZZ_RUNS)
const SEED = FUZZ_SEED === undefined ? Date.now() % 2 ** 31 : Number(FUZZ_SEED)
/** Cases that are played at the same time. */
const LANES = FUZZ_PATH === undefined ? 16 : 1
/** Some twenty times what it takes on a quiet machine, and then what it takes to make what fails smaller. */
const TIMEOUT_MS = RUNS * 200 + 90_000

let arena: Arena

beforeAll(async () => {
  arena = await Arena.start(Array.from({ length: LANES }, (_, i) => kindOf(SEED + i)))
})

afterAll(() => arena.stop())

test(
  'whatever is sent from either side, requests and responses stay what they are, and each with the other',
  async () => {
    const reports = await Promise.all(arena.lanes.map((lane, i) => fuzz(lane, (SEED + i) | 0)))
    const failed = reports.filter((report) => report !== '')
    if (failed.length > 0) throw new Error(failed.join('\n\n'))
    expect(arena.hasCrashed).toBe(false)
    expect(arena.cutover.stderr).toBe('')
    await until(async () => (await metric(arena.cutover, 'cutover_requests_in_flight')) === 0, 5_000)
  },
  TIMEOUT_MS,
)

/** Plays a lane's share of the cases; returns a report of what failed. */
async function fuzz(lane: Lane, seed: number): Promise<string> {
  const { failed, counterexamplePath, errorInstance, numRuns, numShrinks } = await fc.check(
    fc.asyncProperty(cases, (sketch) => lane.play(sketch)),
    { numRuns: Math.ceil(RUNS / LANES), seed, ...(FUZZ_PATH === undefined ? {} : { path: FUZZ_PATH }) },
  )
  if (!failed) return ''
  const why = errorInstance instanceof Error ? errorInstance.message : String(errorInstance)
  return `Case ${numRuns}, made smaller ${numShrinks} times. Again: FUZZ_SEED=${seed} FUZZ_PATH=${counterexamplePath} npm test -- test/fuzz\n${why}`
}
