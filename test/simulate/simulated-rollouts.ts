import { NO_EVIDENCE, type Sensitivity, type Stratum } from '../../src/model/rollout/metric-evidence.ts'
import { verdictOf, withTick } from '../../src/rollout/judge/evidence.ts'
import { type PoissonDraws, poisson } from '../../src/rollout/judge/poisson.ts'
import { seededRandom } from '../../src/rollout/judge/seeded-random.ts'
import { failThreshold } from '../../src/rollout/judge/sensitivity.ts'
import type { Behaviour } from './behaviours.ts'

const TICK_SECONDS = 5
const STEP_SECONDS = 300
const WEIGHTS: readonly number[] = [0.05, 0.1, 0.25, 0.5]
const SECONDS = STEP_SECONDS * WEIGHTS.length

export interface SimulatedRollout {
  readonly requestsPerSecond: number
  readonly behaviour: Behaviour
  /** Default: normal. */
  readonly sensitivity?: Sensitivity
  /** How long after a tick's begin the weight changes, s: such a tick has requests of two decisions. Default: 0. */
  readonly changesAt?: number
}

/**
 * Runs rollouts of four weights, five minutes each, with requests that arrive at random. Returns in order after how many
 * seconds each was aborted; Infinity = it was not.
 */
export function simulateRollouts(rollout: SimulatedRollout, runs: number, seed: number): number[] {
  const random = seededRandom(seed)
  const draws = new Map<number, PoissonDraws>()
  const draw = (mean: number): number => {
    const known = draws.get(mean) ?? poisson(mean, random)
    draws.set(mean, known)
    return known.next()
  }
  return Array.from({ length: runs }, () => simulateOne(rollout, random, draw)).sort((a, b) => a - b)
}

function simulateOne(rollout: SimulatedRollout, random: () => number, draw: (mean: number) => number): number {
  const { requestsPerSecond, behaviour, sensitivity = 'normal', changesAt = 0 } = rollout
  const criterion = { allowedIncrease: 1.25, threshold: failThreshold(sensitivity, SECONDS / TICK_SECONDS) }
  let evidence = NO_EVIDENCE
  for (let second = 0; second < SECONDS; second += TICK_SECONDS) {
    const rates = behaviour(second, random)
    const counted = (requests: number, badRate: number) => {
      const bad = draw(requests * badRate)
      return { requests: bad + draw(requests * (1 - badRate)), bad }
    }
    const strata = partsOf(second, changesAt).map(({ weight, seconds }): Stratum => {
      const requests = requestsPerSecond * seconds
      return {
        canary: counted(requests * weight, rates.canary),
        stable: counted(requests * (1 - weight), rates.stable),
      }
    })
    evidence = withTick(evidence, strata, criterion)
    if (verdictOf(evidence, criterion) === 'fail') return second + TICK_SECONDS
  }
  return Number.POSITIVE_INFINITY
}

/** The weights within the tick that begins at `second`, and for how long each holds. */
function partsOf(second: number, changesAt: number): readonly { weight: number; seconds: number }[] {
  const weightAt = (at: number): number => WEIGHTS[Math.max(0, Math.floor((at - changesAt) / STEP_SECONDS))] as number
  const before = { weight: weightAt(second), seconds: changesAt }
  const after = { weight: weightAt(second + changesAt), seconds: TICK_SECONDS - changesAt }
  return before.weight === after.weight ? [{ weight: after.weight, seconds: TICK_SECONDS }] : [before, after]
}
