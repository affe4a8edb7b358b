import { clustered, sharedIncident, slower, worse } from './behaviours.ts'
import type { SimulatedRollout } from './simulated-rollouts.ts'

/** What is said of a kind of rollout: it is aborted at most that often, or found after so long. */
export type Oracle =
  | { readonly kind: 'healthy'; readonly maxAborted: number }
  | {
      readonly kind: 'found'
      readonly medianSeconds: number
      /** Share of the rollouts that are aborted at all; the median is of these. Default: 1. */
      readonly share?: number
    }

export interface Scenario extends SimulatedRollout {
  readonly name: string
  readonly oracle: Oracle
}

/** The sensitivity `normal` aborts so few healthy canaries in 20 minutes. */
const RARELY: Oracle = { kind: 'healthy', maxAborted: 0.0013 }
/** Of canaries that are just as bad as allowed it aborts more: at most 240 ticks / 5,000, and by simulation a tenth of that. */
const SELDOM: Oracle = { kind: 'healthy', maxAborted: 0.005 }
const RATES: readonly number[] = [200, 20, 2]

/** All kinds of rollouts that something is said of. `random`: for the durations of slow canaries. */
export function scenarios(random: () => number): readonly Scenario[] {
  return [
    ...RATES.flatMap((requestsPerSecond): Scenario[] => [
      { name: 'healthy', requestsPerSecond, behaviour: worse(1), oracle: RARELY },
      {
        name: 'healthy, weights change within ticks',
        requestsPerSecond,
        behaviour: worse(1),
        changesAt: 2,
        oracle: RARELY,
      },
      { name: 'allowed increase ×1.25', requestsPerSecond, behaviour: worse(1.25), oracle: SELDOM },
      { name: 'incident ×7 that both share', requestsPerSecond, behaviour: sharedIncident(7), oracle: RARELY },
      { name: 'clustered failures, 4 + 4 servers', requestsPerSecond, behaviour: clustered(4, 4), oracle: RARELY },
      { name: 'clustered failures, 1 + 10 servers', requestsPerSecond, behaviour: clustered(1, 10), oracle: RARELY },
    ]),
    ...(
      [
        [200, 2, 635],
        [200, 3, 222],
        [200, 5, 75],
        [200, 10, 30],
        [200, Number.POSITIVE_INFINITY, 15],
        [20, 5, 445],
        [20, 10, 185],
        [20, Number.POSITIVE_INFINITY, 20],
        [2, Number.POSITIVE_INFINITY, 65],
      ] as const
    ).map(([requestsPerSecond, ratio, medianSeconds]): Scenario => {
      const name = ratio === Number.POSITIVE_INFINITY ? 'all fail' : `errors ×${ratio}`
      return { name, requestsPerSecond, behaviour: worse(ratio), oracle: { kind: 'found', medianSeconds } }
    }),
    {
      name: 'errors ×10',
      requestsPerSecond: 2,
      behaviour: worse(10),
      oracle: { kind: 'found', medianSeconds: 870, share: 0.79 },
    },
    {
      name: 'slow ×1.5',
      requestsPerSecond: 200,
      behaviour: slower(1.5, random),
      oracle: { kind: 'found', medianSeconds: 50 },
    },
    {
      name: 'slow ×1.5',
      requestsPerSecond: 20,
      behaviour: slower(1.5, random),
      oracle: { kind: 'found', medianSeconds: 340 },
    },
    { name: 'slow ×1.05', requestsPerSecond: 200, behaviour: slower(1.05, random), oracle: RARELY },
    { name: 'slow ×1.05', requestsPerSecond: 20, behaviour: slower(1.05, random), oracle: RARELY },
  ]
}
