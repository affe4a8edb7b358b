import type { LoadFigures } from '../support/load-counts.ts'

/** The value that `share` of the values do not exceed: 0.5 the median, 1 the greatest. 0 where there is none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}

/** How durations are spread, ms. */
export interface Spread {
  readonly count: number
  readonly medianMs: number
  readonly p99Ms: number
  readonly slowestMs: number
}

export function spreadOf(times: readonly number[]): Spread {
  return {
    count: times.length,
    medianMs: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    slowestMs: percentile(times, 1),
  }
}

/** What several loads have come to, together. */
export function sumOf(loads: readonly LoadFigures[]): LoadFigures {
  const sum = (of: (figures: LoadFigures) => number) => loads.reduce((total, figures) => total + of(figures), 0)
  return {
    sent: sum(({ sent }) => sent),
    completed: sum(({ completed }) => completed),
    failed: sum(({ failed }) => failed),
    brokenOff: sum(({ brokenOff }) => brokenOff),
    repeated: sum(({ repeated }) => repeated),
    failures: sumByName(loads.map(({ failures }) => failures)),
    answers: sumByName(loads.map(({ answers }) => answers)),
    slowestMs: Math.max(0, ...loads.map(({ slowestMs }) => slowestMs)),
  }
}

/** What of the promises to clients was broken; `mayBreakOff`: so many requests may have failed because their connection broke. */
export function brokenByLoad(
  { sent, completed, failed, brokenOff, failures }: LoadFigures,
  mayBreakOff: number,
  seenByDrained: number,
): string[] {
  return [
    ...(sent === completed + failed ? [] : [`of ${sent} requests only ${completed + failed} are accounted for`]),
    ...(failed > Math.min(brokenOff, mayBreakOff) ? [`${failed} requests failed: ${JSON.stringify(failures)}`] : []),
    ...(seenByDrained > 0 ? [`drained servers saw ${seenByDrained} requests`] : []),
  ]
}

function sumByName(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const [name, count] of counts.flatMap(Object.entries<number>)) sums[name] = (sums[name] ?? 0) + count
  return sums
}
