import type { Oracle } from './scenarios.ts'

const SIGMAS = 3
/** How far what is said may be off itself: it is rounded, and was simulated too. */
const TICK_SECONDS = 5
const MEDIAN_ERROR = 0.05
const SHARE_ERROR = 0.02

/** What came of simulated rollouts. */
export interface Outcome {
  readonly runs: number
  readonly aborted: number
  /** Time to the abort, of those that were aborted; null = none was. */
  readonly medianSeconds: number | null
}

/** `times`: after how many seconds each was aborted, in order. */
export function outcomeOf(times: readonly number[]): Outcome {
  const aborted = times.filter(Number.isFinite).length
  return { runs: times.length, aborted, medianSeconds: times[Math.ceil(aborted / 2) - 1] ?? null }
}

/** What differs from the oracle by more than three sigma, in words. */
export function differencesOf(times: readonly number[], oracle: Oracle): string[] {
  const { runs, aborted } = outcomeOf(times)
  if (oracle.kind === 'healthy') {
    const most = mostOf(runs, oracle.maxAborted)
    return aborted > most ? [`${aborted} of ${runs} aborted, at most ${Math.floor(most)} expected`] : []
  }
  const { medianSeconds, share = 1 } = oracle
  const differences: string[] = []
  const spread = SIGMAS * Math.sqrt(runs * share * (1 - share)) + SHARE_ERROR * runs
  if (Math.abs(aborted - runs * share) > spread)
    differences.push(`${aborted} of ${runs} aborted instead of ${share * 100} %`)
  // The median of the population lies between these two of the ordered times.
  const half = (SIGMAS / 2) * Math.sqrt(aborted)
  const from = times[Math.max(0, Math.floor(aborted / 2 - half))] as number
  const to = times[Math.min(aborted - 1, Math.ceil(aborted / 2 + half))] as number
  const error = Math.max(TICK_SECONDS, MEDIAN_ERROR * medianSeconds)
  if (medianSeconds < from - error || medianSeconds > to + error) {
    differences.push(`median of ${from} to ${to} s instead of ${medianSeconds} s`)
  }
  return differences
}

/** How many of `runs` may be aborted if the share `probability` is. */
export function mostOf(runs: number, probability: number): number {
  return runs * probability + SIGMAS * Math.sqrt(runs * probability * (1 - probability))
}
