import { autoThreshold, slowOf } from '../../src/rollout/judge/latency.ts'
import { bucketOf, DURATION_BUCKETS } from '../../src/telemetry/ticks/durations.ts'
import { pairsOf } from '../../src/telemetry/ticks/merge-rows.ts'

/** Shares of the requests of a tick that are bad, 0 to 1. */
export interface BadRates {
  readonly canary: number
  readonly stable: number
}

/** How both pools behave in the tick that begins at `second`. */
export type Behaviour = (second: number, random: () => number) => BadRates

const BASE = 0.005
/** Spread of the durations (sigma of their logarithms), and how many are drawn. */
const SPREAD = 0.8
const DURATIONS = 40_000

/** The canary fails `ratio` times as often as stable; 1 = it is as good. */
export function worse(ratio: number): Behaviour {
  const rates = { canary: Math.min(1, BASE * ratio), stable: BASE }
  return () => rates
}

/** Both pools fail `factor` times as often for two and a half minutes, within one weight. */
export function sharedIncident(factor: number): Behaviour {
  const during = { canary: BASE * factor, stable: BASE * factor }
  const before = { canary: BASE, stable: BASE }
  return (second) => (second >= 620 && second < 770 ? during : before)
}

/** Each server fails 30 % of its requests in 0.2 % of the ticks. */
export function clustered(canaryServers: number, stableServers: number): Behaviour {
  const rateOf = (servers: number, random: () => number): number => {
    let failing = 0
    for (let i = 0; i < servers; i++) if (random() < 0.002) failing++
    return BASE + (failing / servers) * (0.3 - BASE)
  }
  return (_, random) => ({ canary: rateOf(canaryServers, random), stable: rateOf(stableServers, random) })
}

/** The canary takes `factor` times as long; slow is what is above stable's p95. Durations are log-normal. */
export function slower(factor: number, random: () => number): Behaviour {
  const durations = (times: number): number[] => {
    const buckets = new Float64Array(DURATION_BUCKETS)
    for (let i = 0; i < DURATIONS; i++) {
      const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
      const bucket = bucketOf(times * 40 * Math.exp(SPREAD * normal))
      buckets[bucket] = (buckets[bucket] as number) + 1
    }
    return pairsOf(buckets)
  }
  const threshold = autoThreshold(durations(1)) as number
  const rateOf = (times: number): number => {
    const { requests, bad } = slowOf(durations(times), threshold)
    return bad / requests
  }
  const rates = { canary: rateOf(factor), stable: rateOf(1) }
  return () => rates
}
