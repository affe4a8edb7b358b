import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { again } from '../../dashboard/src/live/again.ts'

/** When the readings began, ms since the start of the test, how long each takes, and whether it succeeds. */
let begins: number[]
let tookMs: number
let succeeds: boolean
const page = { visibilityState: 'visible' }

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('document', page)
  page.visibilityState = 'visible'
  begins = []
  tookMs = 0
  succeeds = true
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

function reading(): () => Promise<boolean> {
  const start = performance.now()
  return async () => {
    begins.push(performance.now() - start)
    if (tookMs > 0) await new Promise((resolve) => setTimeout(resolve, tookMs))
    return succeeds
  }
}

test('reads at once when asked, and repeats at its interval', async () => {
  again(reading(), { everyMs: 2_000, minMs: 300 }).now()
  await vi.advanceTimersByTimeAsync(4_500)
  expect(begins).toEqual([0, 2_000, 4_000])
})

test('without an interval reads only when it is asked, and never more often than minMs', async () => {
  const each = again(reading(), { everyMs: null, minMs: 300 })
  for (let i = 0; i < 100; i++) {
    each.now()
    await vi.advanceTimersByTimeAsync(10)
  }
  await vi.advanceTimersByTimeAsync(10_000)
  expect(begins).toEqual([0, 300, 600, 900, 1_200])
})

test('never reads twice at a time; what was asked meanwhile is read afterwards', async () => {
  tookMs = 50
  const each = again(reading(), { everyMs: null, minMs: 300 })
  each.now()
  await vi.advanceTimersByTimeAsync(20)
  each.now()
  each.now()
  await vi.advanceTimersByTimeAsync(10_000)
  // Ten times as long as the reading took, after its end.
  expect(begins).toEqual([0, 550])
})

test('makes longer pauses after slow readings, of five seconds at most', async () => {
  tookMs = 400
  again(reading(), { everyMs: 2_000, minMs: 300 }).now()
  await vi.advanceTimersByTimeAsync(4_500)
  expect(begins).toEqual([0, 4_400])
  tookMs = 10_000
  await vi.advanceTimersByTimeAsync(25_000)
  expect(begins).toEqual([0, 4_400, 8_800, 23_800])
})

test('reads again soon after a failure, and no more often the longer it fails', async () => {
  succeeds = false
  const rare = again(reading(), { everyMs: 30_000, minMs: 300 })
  rare.now()
  await vi.advanceTimersByTimeAsync(3_000)
  // Somebody else asks for it, too.
  rare.now()
  await vi.advanceTimersByTimeAsync(5_500)
  expect(begins).toEqual([0, 2_000, 3_000, 5_000, 7_000])
  succeeds = true
  await vi.advanceTimersByTimeAsync(40_000)
  expect(begins.slice(5)).toEqual([9_000, 39_000])
})

test('reads no more once it is stopped, though a reading was asked for or under way', async () => {
  tookMs = 50
  const each = again(reading(), { everyMs: 2_000, minMs: 300 })
  each.now()
  await vi.advanceTimersByTimeAsync(20)
  each.now()
  each.stop()
  each.now()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(begins).toEqual([0])
})

test('does not read while the page is hidden, and goes on when it is shown again', async () => {
  const each = again(reading(), { everyMs: 2_000, minMs: 300 })
  each.now()
  await vi.advanceTimersByTimeAsync(1_000)
  page.visibilityState = 'hidden'
  await vi.advanceTimersByTimeAsync(60_000)
  expect(begins).toEqual([0])
  page.visibilityState = 'visible'
  each.now()
  await vi.advanceTimersByTimeAsync(2_500)
  expect(begins).toEqual([0, 61_000, 63_000])
})
