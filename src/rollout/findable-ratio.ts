import type { Rollout } from '../model/rollout/rollout.ts'
import type { RolloutSpec } from '../model/rollout/rollout-spec.ts'
import { Figure } from '../telemetry/ticks/figures.ts'
import { badRateOf } from './bad-rate.ts'
import { smallestFindableRatio } from './judge/power.ts'
import { seededRandom } from './judge/seeded-random.ts'
import { thresholdOf } from './judging.ts'
import type { Surroundings } from './surroundings.ts'

const POWER = 0.8
/** Span of the figures that it is computed from, s. */
const MEASURED_SECONDS = 300
const SEED = 1
/** Answers that are kept. */
const MAX_KEPT = 200

/** The smallest ratio of bad requests that a step can find at the rate of its service; each answer is kept. */
export class FindableRatio {
  private readonly surroundings: Surroundings
  private readonly kept = new Map<string, number | null>()

  constructor(surroundings: Surroundings) {
    this.surroundings = surroundings
  }

  /** Of the current step; null = it compares nothing. */
  of({ spec, step, weight, service, from, id }: Rollout): number | null {
    const at = spec.steps[step.index]
    if (at?.kind !== 'analysis') return null
    return this.at({ spec, service, from, weight, seconds: at.durationMs / 1_000, key: `${id} ${step.index}` })
  }

  /** Of a step of so many seconds at a weight. */
  at({ spec, service, from, weight, seconds, key }: AskedStep): number | null {
    const metric = spec.analysis.metrics.find(({ kind }) => kind === 'errorRate')
    if (metric === undefined || metric.kind === 'web' || weight <= 0 || weight >= 100) return null
    const { tries, badRate } = this.stable(service, from)
    if (tries === 0) return null
    const known = this.kept.get(`${key} ${weight}`)
    if (known !== undefined) return known
    const found = smallestFindableRatio(
      {
        allowedIncrease: metric.allowedIncrease,
        threshold: thresholdOf(spec),
        requestsPerSecond: tries / MEASURED_SECONDS,
        weight: weight / 100,
        badRate,
        tickSeconds: spec.analysis.tickMs / 1_000,
      },
      seconds,
      POWER,
      seededRandom(SEED),
    )
    if (this.kept.size >= MAX_KEPT) this.kept.clear()
    this.kept.set(`${key} ${weight}`, found)
    return found
  }

  /** Requests of the stable pool in the last minutes, and which share of them counts as bad, 0 to 1. */
  stable(service: string, from: string): { readonly tries: number; readonly badRate: number } {
    const figures = this.surroundings.figures(service, from, MEASURED_SECONDS)
    return { tries: figures.counts[Figure.tries] as number, badRate: badRateOf(figures) }
  }
}

interface AskedStep {
  readonly spec: RolloutSpec
  readonly service: string
  readonly from: string
  readonly weight: number
  readonly seconds: number
  readonly key: string
}
