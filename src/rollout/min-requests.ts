import type { Rollout } from '../model/rollout/rollout.ts'
import { Figure } from '../telemetry/ticks/figures.ts'
import { badRateOf } from './bad-rate.ts'
import { requestsToFind } from './judge/power.ts'
import { seededRandom } from './judge/seeded-random.ts'
import { thresholdOf } from './judging.ts'
import type { Surroundings } from './surroundings.ts'

/** Probability with which `maxRatio` is to be found. */
const POWER = 0.8
/** Span of the figures that it is computed from, s. */
const MEASURED_SECONDS = 60
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
    const stable = surroundings.figures(service, from, MEASURED_SECONDS)
    const canary = surroundings.figures(service, to, MEASURED_SECONDS)
    const tries = (stable.counts[Figure.tries] as number) + (canary.counts[Figure.tries] as number)
    const requestsPerSecond = tries / MEASURED_SECONDS
    const found = requestsToFind(
      {
        allowedIncrease: metric.allowedIncrease,
        threshold: thresholdOf(spec),
        requestsPerSecond: Math.max(0.1, requestsPerSecond),
        weight: weight / 100,
        badRate: badRateOf(stable),
        tickSeconds: analysis.tickMs / 1_000,
      },
      analysis.maxRatio,
      POWER,
      seededRandom(SEED),
    )
    return found === null ? 1 : Math.max(1, Math.min(found.canary, found.stable))
  }
}
