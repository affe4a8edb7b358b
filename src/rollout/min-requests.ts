import type { Rollout } from '../model/rollout/rollout.ts'
import { Figure } from '../telemetry/ticks/figures.ts'
import { requestsToFind } from './judge/power.ts'
import { seededRandom } from './judge/seeded-random.ts'
import { thresholdOf } from './judging.ts'
import type { Surroundings } from './surroundings.ts'

/** Probability with which `maxRatio` is to be found. */
const POWER = 0.8
/** Span of the figures that it is computed from, s. */
const MEASURED_SECONDS = 60
/** Bad requests and requests that are added to those of the stable pool: it may have had none yet. */
const PRIOR = { bad: 0.5, requests: 100 }
/**
 * Least share of bad requests of the stable pool that is reckoned with. A pool without any would ask for more requests the
 * more it has had, and no step would ever pass; with this, `maxRatio` 5 finds a canary of which 1 % fail.
 */
const LEAST_BAD_RATE = 0.002
const SEED = 1

/** How many requests of each side a step needs: computed once per step and weight. At least one: nothing measured = nothing passed. */
export class MinRequests {
  private key = ''
  private known = 0

  of(rollout: Rollout, surroundings: Pick<Surroundings, 'figures'>): number {
    const { analysis } = rollout.spec
    if (analysis.minRequests !== 'auto') return analysis.minRequests
    const key = `${rollout.step.index} ${rollout.step.attempt} ${rollout.weight}`
    if (key !== this.key) {
      this.known = this.compute(rollout, surroundings)
      this.key = key
    }
    return this.known
  }

  private compute(rollout: Rollout, surroundings: Pick<Surroundings, 'figures'>): number {
    const { spec, service, from, to, weight } = rollout
    const { analysis } = spec
    const metric = analysis.metrics.find(({ kind }) => kind === 'errorRate')
    if (metric === undefined || metric.kind === 'web' || weight === 0 || weight === 100) return 1
    const stable = surroundings.figures(service, from, MEASURED_SECONDS).counts
    const canary = surroundings.figures(service, to, MEASURED_SECONDS).counts
    const tries = stable[Figure.tries] as number
    const requestsPerSecond = (tries + (canary[Figure.tries] as number)) / MEASURED_SECONDS
    const found = requestsToFind(
      {
        allowedIncrease: metric.allowedIncrease,
        threshold: thresholdOf(spec),
        requestsPerSecond: Math.max(0.1, requestsPerSecond),
        weight: weight / 100,
        badRate: Math.max(LEAST_BAD_RATE, ((stable[Figure.failures] as number) + PRIOR.bad) / (tries + PRIOR.requests)),
        tickSeconds: analysis.tickMs / 1_000,
      },
      analysis.maxRatio,
      POWER,
      seededRandom(SEED),
    )
    return found === null ? 1 : Math.max(1, Math.min(found.canary, found.stable))
  }
}
