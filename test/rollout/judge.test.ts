import fc from 'fast-check'
import { expect, test } from 'vitest'
import { logMeanExp, type MetricEvidence, NO_EVIDENCE, type Stratum } from '../../src/model/rollout/metric-evidence.ts'
import { gain } from '../../src/rollout/judge/detector.ts'
import { evidenceOf, RATIOS, ratioOf, verdictOf, withTick } from '../../src/rollout/judge/evidence.ts'
import { failThreshold } from '../../src/rollout/judge/sensitivity.ts'

const CRITERION = { allowedIncrease: 1.25, threshold: Math.log(5_000) }

const count = fc.oneof(fc.nat(20), fc.nat(1_000_000), fc.constantFrom(0, 1, 1e12, Number.MAX_SAFE_INTEGER))
const counted = fc
  .tuple(count, fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })))
  .map(([requests, share]) => ({ requests, bad: Math.floor(requests * share) }))
const stratum: fc.Arbitrary<Stratum> = fc.record({ canary: counted, stable: counted })
const ticks = fc.array(fc.array(stratum, { maxLength: 3 }), { maxLength: 20 })
const criterion = fc.record({
  allowedIncrease: fc.double({ min: 1, max: 10, noNaN: true }),
  threshold: fc.double({ min: Math.log(100), max: Math.log(1e7), noNaN: true }),
})

test('the evidence of a tick is as the formula says', () => {
  // w = 0.05, so w0 = 1.25·0.05 / (1.25·0.05 + 0.95) = 0.061728, and for r = 2: q = 2.5·0.05 / (2.5·0.05 + 0.95) = 0.116279.
  // l = 2·ln(0.116279/0.061728) + 4·ln(0.883721/0.938272) = 2·0.633242 − 4·0.059895 = 1.026906.
  const after = judged([[sides(50, 2, 950, 4)]])
  expect(after.logs[RATIOS.indexOf(2)]).toBeCloseTo(1.026906, 6)
  expectLogs(after, [0.628545, 1.026906, 1.498762, 1.894848, 1.954174, 0.64588, -2.55961])
  expect(evidenceOf(after)).toBeCloseTo(1.266467, 6)
  expect(after).toMatchObject({ ticks: 1, canary: { requests: 50, bad: 2 }, stable: { requests: 950, bad: 4 } })
  expect(verdictOf(after, CRITERION)).toBe('ok')
})

test('the next tick is added to what is above 0', () => {
  const after = judged([[sides(50, 2, 950, 4)], [sides(60, 1, 900, 6)]])
  expectLogs(after, [0.769828, 1.201297, 1.595669, 1.626438, 0.574107, -4.161965, -10.469676])
  expect(evidenceOf(after)).toBeCloseTo(0.904352, 6)
  expect(after).toMatchObject({ ticks: 2, canary: { requests: 110, bad: 3 }, stable: { requests: 1_850, bad: 10 } })
})

test('requests of two decisions within a tick are compared apart', () => {
  const after = judged([[sides(50, 2, 950, 4), sides(30, 1, 90, 1), sides(0, 0, 40, 40), sides(5, 5, 0, 0)]])
  expectLogs(after, [0.759608, 1.204394, 1.672128, 1.948876, 1.668917, -0.461689, -4.764663])
  expect(evidenceOf(after)).toBeCloseTo(1.222161, 6)
  expect(after).toMatchObject({ ticks: 1, canary: { requests: 80, bad: 3 }, stable: { requests: 1_040, bad: 5 } })
})

test('a tick in which a side has no request changes nothing', () => {
  const before = judged([[sides(50, 2, 950, 4)]])
  for (const tick of [[], [sides(0, 0, 900, 900)], [sides(7, 7, 0, 0), sides(0, 0, 3, 0)], [sides(0, 0, 0, 0)]]) {
    expect(withTick(before, tick, CRITERION)).toBe(before)
  }
})

test('three ticks of nothing but failures fail a canary, and two do not', () => {
  const outage = [sides(50, 50, 950, 4)]
  expect(verdictOf(judged([outage, outage]), CRITERION)).toBe('ok')
  const after = judged([outage, outage, outage])
  expect(verdictOf(after, CRITERION)).toBe('fail')
  expect(evidenceOf(after)).toBeCloseTo(CRITERION.threshold, 9)
})

test('no two ticks fail a canary, at any threshold, whatever came before', () => {
  fc.assert(
    fc.property(fc.array(stratum, { maxLength: 3 }), fc.array(stratum, { maxLength: 3 }), criterion, (a, b, by) => {
      const before = withTick(NO_EVIDENCE, [sides(1_000, 0, 9_000, 900)], by)
      expect(verdictOf(withTick(withTick(before, a, by), b, by), by)).toBe('ok')
    }),
  )
  fc.assert(
    fc.property(criterion, (by) => {
      const outage = [sides(1_000, 1_000, 1_000, 0)]
      let evidence = NO_EVIDENCE
      for (let i = 0; i < 3; i++) evidence = withTick(evidence, outage, by)
      expect(verdictOf(evidence, by)).toBe('fail')
    }),
  )
})

test('evidence is a number, whatever is counted', () => {
  fc.assert(
    fc.property(ticks, criterion, (all, by) => {
      let evidence = NO_EVIDENCE
      for (const tick of all) {
        evidence = withTick(evidence, tick, by)
        expect([...evidence.logs, evidenceOf(evidence), ratioOf(evidence) ?? 0].every(Number.isFinite)).toBe(true)
      }
    }),
  )
})

test('evidence that was stored goes on as if it had not been', () => {
  fc.assert(
    fc.property(ticks, criterion, (all, by) => {
      let kept = NO_EVIDENCE
      let stored = NO_EVIDENCE
      for (const tick of all) {
        kept = withTick(kept, tick, by)
        stored = JSON.parse(JSON.stringify(withTick(stored, tick, by)))
      }
      expect(stored).toEqual(kept)
    }),
  )
})

test('evidence for other ratios than these starts again', () => {
  const stored = { ...NO_EVIDENCE, logs: [5, 5] }
  expectLogs(withTick(stored, [sides(50, 2, 950, 4)], CRITERION), judged([[sides(50, 2, 950, 4)]]).logs)
})

test('a canary as bad as allowed gains nothing on average, at any error rate', () => {
  const sizes = fc.record({ nc: fc.integer({ min: 1, max: 40 }), ns: fc.integer({ min: 1, max: 40 }) })
  const odds = fc.double({ min: 1, max: 5, noNaN: true })
  const part = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(sizes, part, odds, part, fc.constantFrom(...RATIOS), ({ nc, ns }, badShare, tolerated, less, ratio) => {
      const bad = Math.round(badShare * (nc + ns))
      let mean = 0
      for (const [canaryBad, probability] of canaryBadOf(nc, ns, bad, 1 + less * (tolerated - 1))) {
        const comparison = { canaryBad, stableBad: bad - canaryBad, canaryShare: nc, stableShare: ns }
        mean += probability * Math.exp(gain(comparison, tolerated, ratio))
      }
      expect(mean).toBeLessThan(1 + 1e-9)
    }),
  )
})

test('an incident that both sides share is no evidence', () => {
  let evidence = NO_EVIDENCE
  for (const factor of [1, 1, 7, 50, 200, 7, 1]) {
    evidence = withTick(evidence, [sides(1_000, 5 * factor, 9_000, 45 * factor)], CRITERION)
    expect(Math.max(...evidence.logs)).toBeLessThanOrEqual(0)
  }
})

test('the ratio for people is that within ticks: an incident at another weight does not move it', () => {
  // The totals would say 4: 205 of 1,500 against 70 of 2,050.
  const evidence = judged([[sides(100, 1, 1_900, 19)], [sides(1_900, 570, 100, 30)]])
  expect(ratioOf(evidence)).toBeCloseTo(1, 9)
  expect(ratioOf(judged([[sides(100, 6, 900, 18)]]))).toBeCloseTo(3, 9)
  expect(ratioOf(judged([[sides(100, 0, 900, 18)]]))).toBe(0)
  expect(ratioOf(judged([[sides(100, 6, 900, 0)]]))).toBe(null)
  expect(ratioOf(NO_EVIDENCE)).toBe(null)
})

test('the threshold follows from the sensitivity', () => {
  expect(failThreshold('high', 240)).toBeCloseTo(Math.log(1_000), 12)
  expect(failThreshold('normal', 240)).toBeCloseTo(Math.log(5_000), 12)
  expect(failThreshold('strict', 240)).toBeCloseTo(Math.log(240 / 0.0033), 12)
  expect(failThreshold('strict', 0)).toBeCloseTo(Math.log(1 / 0.0033), 12)
})

test('the mean of exponentials neither overflows nor underflows', () => {
  expect(logMeanExp([])).toBe(0)
  expect(logMeanExp([0, Math.log(3)])).toBeCloseTo(Math.log(2), 12)
  expect(logMeanExp([1e9, 1e9])).toBe(1e9)
  expect(logMeanExp([-1e9, -1e9])).toBe(-1e9)
  expect(logMeanExp([0, -1e9])).toBeCloseTo(-Math.log(2), 12)
})

function sides(nc: number, ec: number, ns: number, es: number): Stratum {
  return { canary: { requests: nc, bad: ec }, stable: { requests: ns, bad: es } }
}

function judged(all: readonly (readonly Stratum[])[]): MetricEvidence {
  let evidence = NO_EVIDENCE
  for (const tick of all) evidence = withTick(evidence, tick, CRITERION)
  return evidence
}

function expectLogs({ logs }: MetricEvidence, expected: readonly number[]): void {
  expect(logs).toHaveLength(expected.length)
  for (const [i, log] of expected.entries()) expect(logs[i]).toBeCloseTo(log, 5)
}

/** How many of `bad` events fall on the canary, with probabilities: Fisher's non-central hypergeometric distribution. */
function canaryBadOf(nc: number, ns: number, bad: number, odds: number): [canaryBad: number, probability: number][] {
  const parts: [number, number][] = []
  for (let x = Math.max(0, bad - ns); x <= Math.min(nc, bad); x++) {
    parts.push([x, Math.exp(logChoose(nc, x) + logChoose(ns, bad - x) + x * Math.log(odds))])
  }
  const total = parts.reduce((sum, [, part]) => sum + part, 0)
  return parts.map(([x, part]) => [x, part / total])
}

function logChoose(n: number, k: number): number {
  let sum = 0
  for (let i = 1; i <= k; i++) sum += Math.log((n - k + i) / i)
  return sum
}
