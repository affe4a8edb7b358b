import { advanced, gain, isAlarm } from './detector.ts'
import { type Criterion, RATIOS } from './evidence.ts'
import { type PoissonDraws, poisson } from './poisson.ts'

/** What a service gets while a canary is judged. */
export interface Traffic extends Criterion {
  readonly requestsPerSecond: number
  /** Share of the requests that the canary gets, 0 to 1. */
  readonly weight: number
  /** Share of stable's requests that are bad, 0 to 1. */
  readonly badRate: number
  readonly tickSeconds: number
}

/**
 * Max number of ticks of one run: longer ones are computed in coarser ticks. The evidence restarts at 0 less often then, so
 * that slightly less is found.
 */
export const MAX_TICKS = 400

/**
 * Runs the judge over random traffic with a canary whose requests are bad `ratio` times as often as stable's. Each call of
 * the returned function is one run of at most `durationSeconds`: the time to detection in seconds, Infinity = not found.
 */
export function simulatedCanary(
  traffic: Traffic,
  ratio: number,
  durationSeconds: number,
  random: () => number,
): () => number {
  const ticks = Math.floor(durationSeconds / traffic.tickSeconds)
  const coarse = Math.max(1, Math.ceil(ticks / MAX_TICKS))
  const seconds = traffic.tickSeconds * coarse
  const count = Math.floor(ticks / coarse)
  const { weight, badRate, threshold } = traffic
  const requests = traffic.requestsPerSecond * seconds
  const canaryRate = Math.min(1, badRate * ratio)
  const canaryBad = poisson(requests * weight * canaryRate, random)
  const canaryGood = poisson(requests * weight * (1 - canaryRate), random)
  const stableBad = poisson(requests * (1 - weight) * badRate, random)
  const stableGood = poisson(requests * (1 - weight) * (1 - badRate), random)
  const eventful = 1 - canaryBad.none * stableBad.none
  // A coarse tick adds at most what all the ticks in it may.
  const capped = threshold * coarse
  if (eventful === 0) return () => Number.POSITIVE_INFINITY
  return () => {
    let logs: readonly number[] = []
    let tick = 0
    for (;;) {
      // A tick without a bad event changes nothing: the time to the next one with some is drawn instead.
      tick += quietTicks(eventful, random) + 1
      if (tick > count) return Number.POSITIVE_INFINITY
      const [ec, es] = badOfTick(canaryBad, stableBad, eventful, random)
      const nc = ec + canaryGood.next()
      const ns = es + stableGood.next()
      if (nc === 0 || ns === 0) continue
      const comparison = { canaryBad: ec, stableBad: es, canaryShare: nc, stableShare: ns }
      const gains = RATIOS.map((each) => gain(comparison, traffic.allowedIncrease, each))
      logs = advanced(logs, gains, capped)
      if (isAlarm(logs, threshold)) return tick * seconds
    }
  }
}

/**
 * Mean evidence that a second adds, of the ratio that gains most, as a natural logarithm; 0 or below = even endless traffic
 * is no evidence.
 */
export function gainPerSecond(traffic: Traffic, ratio: number): number {
  const { requestsPerSecond, weight, badRate, allowedIncrease } = traffic
  const comparison = {
    canaryBad: requestsPerSecond * weight * Math.min(1, badRate * ratio),
    stableBad: requestsPerSecond * (1 - weight) * badRate,
    canaryShare: weight,
    stableShare: 1 - weight,
  }
  return Math.max(...RATIOS.map((each) => gain(comparison, allowedIncrease, each)))
}

/** How many ticks without a bad event come before one that has some, which is the share `eventful` of all. */
function quietTicks(eventful: number, random: () => number): number {
  return eventful >= 1 ? 0 : Math.floor(Math.log(1 - random()) / Math.log1p(-eventful))
}

/** Bad events of both sides in a tick that has at least one. */
function badOfTick(
  canary: PoissonDraws,
  stable: PoissonDraws,
  eventful: number,
  random: () => number,
): [canary: number, stable: number] {
  const onlyStable = (canary.none * (1 - stable.none)) / eventful
  if (random() < onlyStable) return [0, stable.nextPositive()]
  return [canary.nextPositive(), stable.next()]
}
