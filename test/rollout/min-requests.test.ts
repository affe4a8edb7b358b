import { expect, test } from 'vitest'
import { MinRequests } from '../../src/rollout/min-requests.ts'
import { Figure, Figures } from '../../src/telemetry/ticks/figures.ts'
import { rollout } from '../model/rollout-support.ts'

/** What a step at a weight needs, where the stable pool has had so many requests in a minute, and so many bad ones. */
function needed(tries: number, failures: number, weight = 50): number {
  const stable = new Figures()
  stable.counts[Figure.tries] = tries
  stable.counts[Figure.failures] = failures
  const figures = (_service: string, pool: string) => (pool === 'blue' ? stable : new Figures())
  return new MinRequests().of({ ...rollout({ steps: [{ setWeight: weight }, { analysis: {} }] }), weight }, { figures })
}

test('a stable pool without bad requests does not need more requests the more it has had', () => {
  expect(needed(1_000, 0)).toBeGreaterThan(100)
  // A half of 200 requests a second.
  expect(needed(12_000, 0)).toBeGreaterThan(500)
  expect(needed(12_000, 0) / 100).toBeLessThan(90)
  expect(needed(100_000, 0) / 833).toBeLessThan(90)
  // A twentieth of 200 requests a second: within the 5 minutes of a step.
  expect(needed(12_000, 0, 5) / 10).toBeLessThan(300)
})

test('the more of its requests are bad, the fewer are needed', () => {
  const [clean = 0, half = 0, five = 0] = [0, 60, 600].map((failures) => needed(12_000, failures))
  expect(half).toBeLessThan(clean)
  expect(five).toBeLessThan(half)
})

test('a number is what it says', () => {
  const asked = rollout({ steps: [{ setWeight: 5 }, { analysis: {} }], analysis: { minRequests: 321 } })
  expect(new MinRequests().of(asked, { figures: () => new Figures() })).toBe(321)
})
