import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NOTHING_ROUTED, type Routed, type RoutedShares } from '../../src/model/rollout/routed-shares.ts'
import { poisson } from '../../src/rollout/judge/poisson.ts'
import { seededRandom } from '../../src/rollout/judge/seeded-random.ts'
import { type DriftVerdict, driftOf, withRouted } from '../../src/rollout/judge/share-drift.ts'

const TICKS = 240
const WEIGHTS = [0.01, 0.05, 0.5, 0.98]

test('requests routed by the weight at random are no drift in 400 rollouts', () => {
  const random = seededRandom(1)
  const verdicts: DriftVerdict[] = []
  for (const weight of WEIGHTS) {
    const canary = poisson(200 * weight, random)
    const stable = poisson(200 * (1 - weight), random)
    for (let run = 0; run < 100; run++) {
      verdicts.push(verdictAfter(TICKS, () => ({ weight, canary: canary.next(), stable: stable.next() })).verdict)
    }
  }
  // 0.33 % of 400, and three sigma.
  expect(verdicts.filter((verdict) => verdict !== 'ok').length).toBeLessThanOrEqual(4)
})

test('routing by a share that is half as great again, or two thirds, is found within a minute', () => {
  const random = seededRandom(2)
  for (const [factor, expected] of [
    [1.5, 'more'],
    [2 / 3, 'less'],
  ] as const) {
    const canary = poisson(1_000 * 0.05 * factor, random)
    const stable = poisson(1_000 * (1 - 0.05 * factor), random)
    const found = verdictAfter(12, () => ({ weight: 0.05, canary: canary.next(), stable: stable.next() }))
    expect(found.verdict).toBe(expected)
  }
})

test('a request where none should go is drift, and its absence is not', () => {
  const routed = (weight: number, canary: number, stable: number) =>
    verdictAfter(10, () => ({ weight, canary, stable }))
  expect(routed(0, 5, 100).verdict).toBe('more')
  expect(routed(1, 100, 5).verdict).toBe('less')
  expect(routed(0, 0, 100).verdict).toBe('ok')
  expect(routed(1, 100, 0).verdict).toBe('ok')
  // Half of the alternatives are of the other direction, and gain nothing: one tick more than the cap alone demands.
  expect(routed(0.5, 1_000, 0)).toEqual({ verdict: 'more', ticks: 4 })
})

test('shares are added up by decision, and a tick without requests changes nothing', () => {
  const first = withRouted(NOTHING_ROUTED, [{ weight: 0.1, canary: 8, stable: 92 }], TICKS)
  const both = [
    { weight: 0.1, canary: 8, stable: 92 },
    { weight: 0.5, canary: 30, stable: 30 },
  ]
  expect(withRouted(NOTHING_ROUTED, both, TICKS)).toMatchObject({ canary: 38, stable: 122, expected: 40 })
  expect(withRouted(first, [], TICKS)).toBe(first)
  expect(withRouted(first, [{ weight: 0.1, canary: 0, stable: 0 }], TICKS)).toBe(first)
})

test('what was stored goes on as if it had not been, and is a number whatever is counted', () => {
  const count = fc.oneof(fc.nat(1_000), fc.constantFrom(0, Number.MAX_SAFE_INTEGER))
  const weight = fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true }))
  const routed = fc.record({ weight, canary: count, stable: count })
  fc.assert(
    fc.property(fc.array(fc.array(routed, { maxLength: 3 }), { maxLength: 10 }), (ticks) => {
      let kept = NOTHING_ROUTED
      let stored = NOTHING_ROUTED
      for (const tick of ticks) {
        kept = withRouted(kept, tick, TICKS)
        stored = JSON.parse(JSON.stringify(withRouted(stored, tick, TICKS)))
        expect(kept.logs.every(Number.isFinite)).toBe(true)
      }
      expect(stored).toEqual(kept)
    }),
  )
})

/** The first verdict that is not ok, and the tick that it came with; else that after `most` ticks. */
function verdictAfter(most: number, next: () => Routed): { verdict: DriftVerdict; ticks: number } {
  let shares: RoutedShares = NOTHING_ROUTED
  for (let ticks = 1; ticks <= most; ticks++) {
    shares = withRouted(shares, [next()], TICKS)
    const verdict = driftOf(shares, TICKS)
    if (verdict !== 'ok') return { verdict, ticks }
  }
  return { verdict: 'ok', ticks: most }
}
