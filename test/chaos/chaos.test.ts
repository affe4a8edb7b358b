import { expect, test } from 'vitest'
import { chaos } from './chaos.ts'
import { LANES, shortPlan } from './plan.ts'
import { brokenIn, report } from './verdict.ts'

const SEED = 10
const KINDS = Object.values(LANES).flat()
/** How soon the instances are equal again is measured where the machine has nothing else to do. */
const EQUAL_MS = 15_000

test.runIf(process.platform === 'linux')(
  'everything that can happen to a fleet under load, each once: nothing fails, nothing is lost, drained is drained',
  async () => {
    const result = await chaos({ seed: SEED, plan: shortPlan(SEED) })
    const broken = brokenIn(result, EQUAL_MS)
    if (broken.length > 0) console.log(`${report(result)}\n${result.timeline.join('\n')}`)
    expect(broken).toEqual([])
    expect(result.disturbances).toEqual(Object.fromEntries(KINDS.map((kind) => [kind, 1])))
    // Of everything there was something, or nothing was tested.
    expect(result.completed).toBeGreaterThan(500)
    expect(result.writes.acknowledged).toBeGreaterThan(15)
    expect(result.claimsJudged).toBeGreaterThan(5)
  },
  360_000,
)
