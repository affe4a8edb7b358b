import { expect, test } from 'vitest'
import { seededRandom } from '../../src/rollout/judge/seeded-random.ts'
import { worse } from '../simulate/behaviours.ts'
import { differencesOf, mostOf, outcomeOf } from '../simulate/outcome.ts'
import { scenarios } from '../simulate/scenarios.ts'
import { simulateRollouts } from '../simulate/simulated-rollouts.ts'

const RUNS = 200

for (const [i, scenario] of scenarios(seededRandom(1)).entries()) {
  test(`${scenario.name} at ${scenario.requestsPerSecond} requests per second is judged as said`, () => {
    expect(differencesOf(simulateRollouts(scenario, RUNS, i + 1), scenario.oracle)).toEqual([])
  })
}

test('R7: of 200 rollouts of a canary that is as good, at most 1 % and three sigma are aborted', () => {
  const times = simulateRollouts({ requestsPerSecond: 20, behaviour: worse(1) }, 200, 200)
  expect(outcomeOf(times).aborted).toBeLessThanOrEqual(mostOf(200, 0.01))
})

test('figures that differ from what is said are noticed', () => {
  const times = simulateRollouts({ requestsPerSecond: 200, behaviour: worse(5) }, RUNS, 1)
  expect(differencesOf(times, { kind: 'healthy', maxAborted: 0.0013 })).toHaveLength(1)
  for (const medianSeconds of [50, 100]) {
    expect(differencesOf(times, { kind: 'found', medianSeconds })).toHaveLength(1)
  }
  expect(differencesOf(times, { kind: 'found', medianSeconds: 75, share: 0.8 })).toHaveLength(1)
  const rarelyFound = simulateRollouts({ requestsPerSecond: 2, behaviour: worse(3) }, RUNS, 1)
  expect(differencesOf(rarelyFound, { kind: 'found', medianSeconds: 75 })).not.toEqual([])
})
