import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bucketOf, DURATION_BOUNDS_MS, DURATION_BUCKETS, quantileOf } from '../../../src/telemetry/ticks/durations.ts'

test('no bucket is wider than 10 %, and the bounds are in order', () => {
  for (let i = 1; i < DURATION_BOUNDS_MS.length; i++) {
    const width = (DURATION_BOUNDS_MS[i] as number) / (DURATION_BOUNDS_MS[i - 1] as number)
    expect(width).toBeGreaterThan(1)
    expect(width).toBeLessThanOrEqual(1.1)
  }
})

test('a duration is in the bucket whose bounds are around it', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e8, noNaN: true }), (ms) => {
      const bucket = bucketOf(ms)
      expect(ms).toBeLessThanOrEqual(DURATION_BOUNDS_MS[bucket] ?? Number.POSITIVE_INFINITY)
      if (bucket > 0) expect(ms).toBeGreaterThan(DURATION_BOUNDS_MS[bucket - 1] as number)
    }),
  )
  for (const [i, bound] of DURATION_BOUNDS_MS.entries()) expect(bucketOf(bound)).toBe(i)
})

test('a quantile differs from the exact one by less than the width of a bucket', () => {
  const durations = fc.array(fc.double({ min: 0.2, max: 900_000, noNaN: true }), { minLength: 1, maxLength: 300 })
  fc.assert(
    fc.property(durations, fc.constantFrom(0.5, 0.95, 0.99, 1), (all, share) => {
      const buckets = new Float64Array(DURATION_BUCKETS)
      for (const ms of all) {
        const bucket = bucketOf(ms)
        buckets[bucket] = (buckets[bucket] as number) + 1
      }
      const exact = all.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(share * all.length)) - 1] as number
      const found = quantileOf(buckets, share) as number
      expect(found / exact).toBeGreaterThan(1 / 1.1001)
      expect(found / exact).toBeLessThan(1.1001)
    }),
  )
})

test('there is no quantile of nothing, and the one of endless durations is the last bound', () => {
  const buckets = new Float64Array(DURATION_BUCKETS)
  expect(quantileOf(buckets, 0.5)).toBe(null)
  buckets[DURATION_BUCKETS - 1] = 1
  expect(quantileOf(buckets, 0.5)).toBe(1_000_000)
})
