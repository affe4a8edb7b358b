import { expect, test } from 'vitest'
import { NO_EVIDENCE } from '../../src/model/rollout/metric-evidence.ts'
import { verdictOf, withTick } from '../../src/rollout/judge/evidence.ts'
import { poisson } from '../../src/rollout/judge/poisson.ts'
import { detectionOf, requestsToFind, smallestFindableRatio } from '../../src/rollout/judge/power.ts'
import { seededRandom } from '../../src/rollout/judge/seeded-random.ts'
import type { Traffic } from '../../src/rollout/judge/simulated-canary.ts'

const BASE: Omit<Traffic, 'requestsPerSecond' | 'weight'> = {
  allowedIncrease: 1.25,
  threshold: Math.log(5_000),
  badRate: 0.005,
  tickSeconds: 5,
}
const RUNS = 200

test.for([
  { requestsPerSecond: 200, weight: 0.05, durationSeconds: 300 },
  { requestsPerSecond: 20, weight: 0.5, durationSeconds: 300 },
  { requestsPerSecond: 2, weight: 0.05, durationSeconds: 1_200 },
])('the smallest ratio that a step finds is found by the judge, and half of its excess is not: %o', (step) => {
  const { durationSeconds, ...rest } = step
  const traffic = { ...BASE, ...rest }
  const ratio = smallestFindableRatio(traffic, durationSeconds, 0.8, seededRandom(1)) as number
  const found = judgedShare(traffic, ratio, durationSeconds)
  // Three sigma of both simulations, and one step of the grid above.
  expect(found).toBeGreaterThan(0.8 - 3 * sigma(0.8, RUNS) - 3 * sigma(0.8, 150))
  expect(found).toBeLessThan(0.99)
  expect(judgedShare(traffic, 1 + (ratio - 1) / 2, durationSeconds)).toBeLessThan(0.5)
})

test('the requests that suffice to find a ratio suffice the judge', () => {
  for (const weight of [0.05, 0.5]) {
    const traffic = { ...BASE, requestsPerSecond: 20, weight }
    const { canary, stable } = requestsToFind(traffic, 5, 0.8, seededRandom(3)) as { canary: number; stable: number }
    expect(canary / (canary + stable)).toBeCloseTo(weight, 3)
    const found = judgedShare(traffic, 5, (canary + stable) / 20)
    expect(Math.abs(found - 0.8)).toBeLessThan(3 * sigma(0.8, RUNS) + 3 * sigma(0.8, 150))
  }
})

test('more traffic, time or sensitivity finds less, and fewer requests find more', () => {
  const traffic = { ...BASE, requestsPerSecond: 20, weight: 0.1 }
  const smallest = (changed: Partial<Traffic>, seconds = 300): number =>
    smallestFindableRatio({ ...traffic, ...changed }, seconds, 0.8, seededRandom(1)) ?? Number.POSITIVE_INFINITY
  const asIs = smallest({})
  for (const less of [smallest({ requestsPerSecond: 200 }), smallest({}, 3_000), smallest({ weight: 0.5 })]) {
    expect(less).toBeLessThan(asIs)
  }
  expect(smallest({ threshold: Math.log(100) })).toBeLessThan(asIs)
  expect(smallest({ allowedIncrease: 3 })).toBeGreaterThan(asIs)
  const requests = [2, 3, 5, 10].map((ratio) => requestsToFind(traffic, ratio, 0.8, seededRandom(1))?.canary ?? 0)
  expect(requests).toEqual(requests.toSorted((a, b) => b - a))
})

test('nothing is found without requests on both sides, bad ones, or time for three ticks', () => {
  const traffic = { ...BASE, requestsPerSecond: 20, weight: 0.05 }
  const changes: Partial<Traffic>[] = [{ weight: 0 }, { weight: 1 }, { requestsPerSecond: 0 }, { badRate: 0 }]
  for (const changed of changes) {
    const nothing = { ...traffic, ...changed }
    expect(smallestFindableRatio(nothing, 300, 0.8, seededRandom(1))).toBe(null)
    expect(detectionOf(nothing, 10, 300, seededRandom(1))).toEqual({ probability: 0, medianSeconds: null })
    expect(requestsToFind(nothing, 10, 0.8, seededRandom(1))).toBe(null)
  }
  expect(smallestFindableRatio({ ...traffic, requestsPerSecond: 1e5 }, 10, 0.8, seededRandom(1))).toBe(null)
  expect(requestsToFind(traffic, 1.25, 0.8, seededRandom(1))).toBe(null)
})

test('an outage is found in three ticks, however long the step', () => {
  const traffic = { ...BASE, requestsPerSecond: 200, weight: 0.05 }
  for (const seconds of [60, 300, 14_400]) {
    expect(detectionOf(traffic, 1_000, seconds, seededRandom(1))).toEqual({ probability: 1, medianSeconds: 15 })
  }
  expect(detectionOf(traffic, 2, 60, seededRandom(1)).medianSeconds).toBe(null)
})

test('the same seed gives the same answer', () => {
  const traffic = { ...BASE, requestsPerSecond: 20, weight: 0.1 }
  const answers = () => [
    smallestFindableRatio(traffic, 300, 0.8, seededRandom(7)),
    detectionOf(traffic, 4, 300, seededRandom(7)),
    requestsToFind(traffic, 4, 0.8, seededRandom(7)),
  ]
  expect(answers()).toEqual(answers())
})

test.for([0.05, 1, 30, 9_000, 40_000])(
  'numbers of events are as a Poisson distribution of mean %d has them',
  (mean) => {
    const random = seededRandom(5)
    const { next, nextPositive, none } = poisson(mean, random)
    const drawn = Array.from({ length: 20_000 }, next)
    const average = drawn.reduce((sum, each) => sum + each, 0) / drawn.length
    const variance = drawn.reduce((sum, each) => sum + (each - average) ** 2, 0) / drawn.length
    expect(Math.abs(average - mean)).toBeLessThan(4 * Math.sqrt(mean / drawn.length))
    expect(Math.abs(variance / mean - 1)).toBeLessThan(4 * Math.sqrt((2 + 1 / mean) / drawn.length))
    const zeros = drawn.filter((each) => each === 0).length / drawn.length
    expect(Math.abs(zeros - Math.exp(-mean))).toBeLessThan(4 * sigma(Math.exp(-mean), drawn.length) + 1e-9)
    const positive = Array.from({ length: 20_000 }, nextPositive)
    expect(Math.min(...positive)).toBeGreaterThan(0)
    const positiveAverage = positive.reduce((sum, each) => sum + each, 0) / positive.length
    expect(Math.abs(positiveAverage / (mean / (1 - none)) - 1)).toBeLessThan(
      4 * Math.sqrt(1 / Math.max(mean, 1) / 20_000),
    )
  },
)

/** Share of simulated canaries that the judge itself fails, tick by tick. */
function judgedShare(traffic: Traffic, ratio: number, durationSeconds: number): number {
  const random = seededRandom(11)
  const requests = traffic.requestsPerSecond * traffic.tickSeconds
  const side = (share: number, badRate: number) => {
    const bad = poisson(requests * share * badRate, random)
    const good = poisson(requests * share * (1 - badRate), random)
    return () => {
      const count = bad.next()
      return { requests: count + good.next(), bad: count }
    }
  }
  const canary = side(traffic.weight, Math.min(1, traffic.badRate * ratio))
  const stable = side(1 - traffic.weight, traffic.badRate)
  let found = 0
  for (let run = 0; run < RUNS; run++) {
    let evidence = NO_EVIDENCE
    for (let second = 0; second + traffic.tickSeconds <= durationSeconds; second += traffic.tickSeconds) {
      evidence = withTick(evidence, [{ canary: canary(), stable: stable() }], traffic)
      if (verdictOf(evidence, traffic) === 'ok') continue
      found++
      break
    }
  }
  return found / RUNS
}

function sigma(probability: number, count: number): number {
  return Math.sqrt((probability * (1 - probability)) / count)
}
