import type { HistogramReport, Report, SeriesReport, TallyReport } from '../model/messages.ts'
import { seriesKey, tallyKey } from '../telemetry/counters.ts'

/** How long the counts of a removed pool or version are still shown, ms. Proxies keep them for a shorter time. */
const SHOWN_MS = 2 * 60_000

interface Counts {
  readonly series: Map<string, SeriesReport>
  readonly tallies: Map<string, TallyReport>
}

/** What the counts can be about now. */
export interface InForce {
  /** Whether the pool and version of a series exist. */
  readonly isCurrent: (series: SeriesReport) => boolean
  /** Whether there is such a service. */
  readonly exists: (service: string) => boolean
}

/**
 * Counts of all proxies since their start, from reports of the changes. The counts of proxies and series that have
 * ended stay in the totals, so that the totals never decrease while they are shown.
 */
export class Totals {
  private readonly byProxy = new Map<string, Counts>()
  private readonly retired: Counts = { series: new Map(), tallies: new Map() }
  /** Time since which a series is not current, monotonic ms, by key. */
  private readonly outdated = new Map<string, number>()
  private readonly now: () => number

  /** `now`: monotonic ms. */
  constructor(now = () => performance.now()) {
    this.now = now
  }

  take(proxy: string, { whole, series, tallies, ended }: Report): void {
    let counts = this.byProxy.get(proxy)
    if (counts === undefined || whole) {
      counts = { series: new Map(), tallies: new Map() }
      this.byProxy.set(proxy, counts)
    }
    for (const each of series) counts.series.set(seriesKey(each), each)
    for (const each of tallies) counts.tallies.set(tallyKey(each), each)
    for (const key of ended) {
      const final = counts.series.get(key)
      counts.series.delete(key)
      if (final !== undefined) addSeries(this.retired.series, final)
    }
  }

  /** Keeps the counts of a proxy that has ended. */
  retire(proxy: string): void {
    const counts = this.byProxy.get(proxy)
    this.byProxy.delete(proxy)
    for (const each of counts?.series.values() ?? []) addSeries(this.retired.series, each)
    for (const each of counts?.tallies.values() ?? []) addTally(this.retired.tallies, each)
  }

  /**
   * Returns the totals. Series that are not current are forgotten after `SHOWN_MS`. The tallies of a service are left out
   * once it does not exist and none of its series is shown.
   */
  read({ isCurrent, exists }: InForce): { series: SeriesReport[]; tallies: TallyReport[] } {
    const all = [...this.byProxy.values(), this.retired]
    const series = new Map<string, SeriesReport>()
    const tallies = new Map<string, TallyReport>()
    for (const counts of all) {
      for (const each of counts.series.values()) addSeries(series, each)
      for (const each of counts.tallies.values()) addTally(tallies, each)
    }
    const now = this.now()
    for (const [key, each] of series) {
      if (isCurrent(each)) {
        this.outdated.delete(key)
        continue
      }
      const since = this.outdated.get(key) ?? now
      this.outdated.set(key, since)
      if (now - since < SHOWN_MS) continue
      this.outdated.delete(key)
      series.delete(key)
      for (const counts of all) counts.series.delete(key)
    }
    const services = new Set([...series.values()].map(({ service }) => service))
    return {
      series: [...series.values()],
      tallies: [...tallies.values()].filter(
        // Some events belong to no service.
        ({ service }) => service === '' || services.has(service) || exists(service),
      ),
    }
  }
}

function addTally(sums: Map<string, TallyReport>, each: TallyReport): void {
  const key = tallyKey(each)
  sums.set(key, { ...each, count: each.count + (sums.get(key)?.count ?? 0) })
}

function addSeries(sums: Map<string, SeriesReport>, each: SeriesReport): void {
  const key = seriesKey(each)
  const known = sums.get(key)
  if (known === undefined) {
    sums.set(key, each)
    return
  }
  const codes: Record<string, number> = { ...known.codes }
  for (const [code, count] of Object.entries(each.codes)) codes[code] = (codes[code] ?? 0) + count
  const durations = addHistogram(known.durations, each.durations)
  sums.set(key, { ...known, codes, durations, upstream: addHistogram(known.upstream, each.upstream) })
}

function addHistogram(a: HistogramReport, b: HistogramReport): HistogramReport {
  const buckets = a.buckets.map((count, i) => count + (b.buckets[i] ?? 0))
  return { buckets, sumSeconds: a.sumSeconds + b.sumSeconds }
}
