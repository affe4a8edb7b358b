import fc from 'fast-check'
import { expect, test } from 'vitest'
import { autoThreshold, countableThreshold, latencyReport, slowOf } from '../../src/rollout/judge/latency.ts'
import { bucketOf, DURATION_BOUNDS_MS, DURATION_BUCKETS } from '../../src/telemetry/ticks/durations.ts'
import { pairsOf } from '../../src/telemetry/ticks/merge-rows.ts'

const duration = fc.double({ min: 0, max: 2e6, noNaN: true })
const durations = fc.array(duration, { minLength: 1, maxLength: 200 })

test('what is above the threshold is slow, and the threshold is at most 10 % above the one asked for', () => {
  fc.assert(
    fc.property(durations, fc.double({ min: 0.1, max: 1e6, noNaN: true }), (all, ms) => {
      const threshold = countableThreshold(ms)
      expect(threshold).toBeGreaterThanOrEqual(ms)
      expect(threshold).toBeLessThanOrEqual(ms * 1.1001)
      expect(countableThreshold(threshold)).toBe(threshold)
      const slow = all.filter((each) => each > threshold).length
      expect(slowOf(pairs(all), threshold)).toEqual({ requests: all.length, bad: slow })
    }),
  )
})

test('a threshold outside the buckets is the nearest bound', () => {
  expect(countableThreshold(0)).toBe(0.1)
  expect(countableThreshold(1e9)).toBe(1_000_000)
  expect(slowOf(pairs([1, 1_000_000, 1_000_001]), countableThreshold(1e9))).toEqual({ requests: 3, bad: 1 })
  expect(slowOf([], 10)).toEqual({ requests: 0, bad: 0 })
})

test('the threshold auto leaves at most 5 % of the warm-up slow, and is not far above its p95', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.1, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 }), (all) => {
      const threshold = autoThreshold(pairs(all)) as number
      const { requests, bad } = slowOf(pairs(all), threshold)
      expect(bad).toBeLessThanOrEqual(requests * 0.05)
      const p95 = all.toSorted((a, b) => a - b)[Math.ceil(0.95 * all.length) - 1] as number
      expect(bucketOf(threshold)).toBe(bucketOf(p95))
    }),
  )
  expect(autoThreshold([])).toBe(null)
})

test('the report compares each request of the canary with each of stable', () => {
  fc.assert(
    fc.property(durations, durations, (canary, stable) => {
      let slower = 0
      for (const a of canary) for (const b of stable) slower += (Math.sign(bucketOf(a) - bucketOf(b)) + 1) / 2
      const report = latencyReport(pairs(canary), pairs(stable))
      expect(report.slower).toBeCloseTo(slower / canary.length / stable.length, 9)
      expect(latencyReport(pairs(canary), pairs(canary)).slower).toBeCloseTo(0.5, 9)
    }),
    { numRuns: 50 },
  )
})

test('the report has quantiles of both sides, or says that there are none', () => {
  const canary = Array.from({ length: 100 }, (_, i) => 2 * (i + 1))
  const stable = Array.from({ length: 100 }, (_, i) => i + 1)
  const report = latencyReport(pairs(canary), pairs(stable))
  for (const [share, name] of [
    [50, 'p50'],
    [95, 'p95'],
    [99, 'p99'],
  ] as const) {
    expect(Math.abs((report.stable[name] as number) / share - 1)).toBeLessThan(0.1)
    expect(Math.abs((report.canary[name] as number) / (2 * share) - 1)).toBeLessThan(0.1)
  }
  const none = { p50: null, p95: null, p99: null }
  expect(latencyReport([], pairs(stable))).toEqual({ canary: none, stable: report.stable, slower: null })
  expect(latencyReport([], [])).toEqual({ canary: none, stable: none, slower: null })
})

function pairs(all: readonly number[]): number[] {
  const buckets = new Float64Array(DURATION_BUCKETS)
  for (const ms of all) buckets[bucketOf(ms)] = (buckets[bucketOf(ms)] as number) + 1
  expect(buckets.length).toBe(DURATION_BOUNDS_MS.length + 1)
  return pairsOf(buckets)
}
