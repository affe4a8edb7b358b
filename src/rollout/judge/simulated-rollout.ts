import { advanced, gain, isAlarm } from './detector.ts'
import { type Criterion, RATIOS } from './evidence.ts'
import { type PoissonDraws, poisson } from './poisson.ts'

/** Requests that come at random while a canary gets one weight after the other. */
export interface SimulatedPlan extends Criterion {
  readonly requestsPerSecond: number
  /** Share of stable's requests that are bad, 0 to 1. */
  readonly badRate: number
  readonly tickSeconds: number
  readonly steps: readonly SimulatedStep[]
}

export interface SimulatedStep {
  /** Share of the requests that the canary gets, 0 to 1. */
  readonly weight: number
  readonly seconds: number
}

/** What the ticks of a step are drawn from. */
interface Draws {
  readonly ticks: number
  readonly canaryBad: PoissonDraws
  readonly canaryGood: PoissonDraws
  readonly stableBad: PoissonDraws
  readonly stableGood: PoissonDraws
}

/**
 * Runs the judge over whole rollouts whose canary is bad `ratio` times as often as stable; the evidence of a step goes on in
 * the next. Returns in order after how many seconds each was aborted; Infinity = it was not.
 */
export function simulatedRollouts(plan: SimulatedPlan, ratio: number, runs: number, random: () => number): number[] {
  const draws = plan.steps.map((step) => drawsOf(plan, step, ratio, random))
  return Array.from({ length: runs }, () => oneRollout(plan, draws)).sort((a, b) => a - b)
}

function drawsOf(plan: SimulatedPlan, { weight, seconds }: SimulatedStep, ratio: number, random: () => number): Draws {
  const { requestsPerSecond, badRate, tickSeconds } = plan
  const requests = requestsPerSecond * tickSeconds
  const canaryRate = Math.min(1, badRate * ratio)
  return {
    ticks: Math.floor(seconds / tickSeconds),
    canaryBad: poisson(requests * weight * canaryRate, random),
    canaryGood: poisson(requests * weight * (1 - canaryRate), random),
    stableBad: poisson(requests * (1 - weight) * badRate, random),
    stableGood: poisson(requests * (1 - weight) * (1 - badRate), random),
  }
}

function oneRollout({ allowedIncrease, threshold, tickSeconds }: SimulatedPlan, steps: readonly Draws[]): number {
  let logs: readonly number[] = []
  let before = 0
  for (const { ticks, canaryBad, canaryGood, stableBad, stableGood } of steps) {
    for (let tick = 1; tick <= ticks; tick++) {
      const [ec, es] = [canaryBad.next(), stableBad.next()]
      // A tick without a bad event changes nothing.
      if (ec + es === 0) continue
      const [nc, ns] = [ec + canaryGood.next(), es + stableGood.next()]
      if (nc === 0 || ns === 0) continue
      const comparison = { canaryBad: ec, stableBad: es, canaryShare: nc, stableShare: ns }
      const gains = RATIOS.map((each) => gain(comparison, allowedIncrease, each))
      logs = advanced(logs, gains, threshold)
      if (isAlarm(logs, threshold)) return (before + tick) * tickSeconds
    }
    before += ticks
  }
  return Number.POSITIVE_INFINITY
}
