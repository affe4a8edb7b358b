import type { Complaints } from './complaints.ts'
import type { Failure, Result, Sample, Service, Vitals } from './figures.ts'
import { SERVICES } from './figures.ts'
import type { Ledger } from './ledger.ts'
import type { Tally } from './tally.ts'

/** Unexplained failures of a service that are told one by one. */
const MOST_EXAMPLES = 10

/** What a run leaves behind. */
export interface Traces {
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly tally: Tally
  readonly complaints: Complaints
  readonly ledger: Ledger
  readonly operations: Readonly<Record<string, number>>
  readonly refusedOperations: readonly string[]
  readonly episodes: Readonly<Record<string, number>>
  readonly samples: readonly Sample[]
  readonly start: Vitals
  readonly end: Vitals
  readonly ended: string | null
}

/** Puts together what has come of a run, and holds every failure against what was done on purpose. */
export function resultOf({ tally, ledger, complaints, ...rest }: Traces): Result {
  const explained: Record<string, number> = {}
  const unexplained: Record<Service, Failure[]> = { steady: [], rough: [] }
  for (const failure of tally.failures) {
    const why = failure.service === 'steady' ? null : ledger.explain(failure)
    if (why === null) unexplained[failure.service].push(toldWhole(failure, ledger))
    else explained[why] = (explained[why] ?? 0) + 1
  }
  const failed = new Set(tally.failures.map(({ id }) => id))
  return {
    ...rest,
    loggedErrors: complaints.loggedErrors,
    printed: complaints.printed,
    counts: tally.counts,
    latency: { steady: tally.latencies.steady.figures, rough: tally.latencies.rough.figures },
    disturbed: ledger.disturbedCount,
    explained,
    unexplained: SERVICES.flatMap((service) => unexplained[service].slice(0, MOST_EXAMPLES)),
    // The tally keeps some of those of steady only, and counts all.
    unexplainedCount: { steady: tally.failedOf('steady'), rough: unexplained.rough.length },
    sentTwice: ledger.sentTwice((id) => id.startsWith('rough-post-'), failed),
  }
}

function toldWhole(failure: Failure, ledger: Ledger): Failure {
  const seconds = ((failure.endedAt - failure.startedAt) / 1_000).toFixed(1)
  const done = ledger.knownOf(failure.because)
  return { ...failure, detail: `${failure.detail}; after ${seconds} s; done to it on purpose: ${done}` }
}
