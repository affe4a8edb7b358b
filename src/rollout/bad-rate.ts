import { Figure, type Figures } from '../telemetry/ticks/figures.ts'

/** Bad requests and requests that are added to those of a pool: it may have had none yet. */
const PRIOR = { bad: 0.5, requests: 100 }
/**
 * Least share that is reckoned with. A pool without bad requests would ask for more requests the more it has had, and no
 * step would ever pass; with this, `maxRatio` 5 finds a canary of which 1 % fail.
 */
const LEAST = 0.002

/** The share of its requests that is bad, 0 to 1, which the power of a comparison with a pool is computed from. */
export function badRateOf({ counts }: Pick<Figures, 'counts'>): number {
  const tries = counts[Figure.tries] as number
  return Math.max(LEAST, ((counts[Figure.failures] as number) + PRIOR.bad) / (tries + PRIOR.requests))
}
