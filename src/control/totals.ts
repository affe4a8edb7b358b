import type { Report, RetryCount, SeriesReport } from '../model/messages.ts'
import { seriesKey } from '../telemetry/counters.ts'

/** How long the counts of a removed pool or version are still shown, ms. Proxies keep them for a shorter time. */
const SHOWN_MS = 10 * 60_000

interface Counts {
  readonly series: Map<string, SeriesReport>
  readonly retries: Map<string, RetryCount>
}

/**
 * Counts of all proxies since their start, from reports of the changes. The counts of proxies and series that have
 * ended stay in the totals, so that the totals never decrease while they are shown.
 */
export class Totals {
  private readonly byProxy = new Map<string, Counts>()
  private readonly retired: Counts = { series: new Map(), retries: new Map() }
  /** Time since which a series is not current, monotonic ms, by key. */
  private readonly outdated = new Map<string, number>()
  private readonly now: () => number

  /** `now`: monotonic ms. */
  constructor(now = () => performance.now()) {
    this.now = now
  }

  take(proxy: string, { whole, series, retries, ended }: Report): void {
    let counts = this.byProxy.get(proxy)
    if (counts === undefined || whole) {
      counts = { series: new Map(), retries: new Map() }
      this.byProxy.set(proxy, counts)
    }
    for (const each of series) counts.series.set(seriesKey(each), each)
    for (const each of retries) counts.retries.set(retryKey(each), each)
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
    for (const each of counts?.retries.values() ?? []) addRetries(this.retired.retries, each)
  }

  /**
   * Returns the totals. `isCurrent`: whether the pool and version of a series exist; others are forgotten after
   * `SHOWN_MS`.
   */
  read(isCurrent: (series: SeriesReport) => boolean): { series: SeriesReport[]; retries: RetryCount[] } {
    const all = [...this.byProxy.values(), this.retired]
    const series = new Map<string, SeriesReport>()
    const retries = new Map<string, RetryCount>()
    for (const counts of all) {
      for (const each of counts.series.values()) addSeries(series, each)
      for (const each of counts.retries.values()) addRetries(retries, each)
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
      retries: [...retries.values()].filter(({ service }) => services.has(service)),
    }
  }
}

function retryKey({ service, reason }: RetryCount): string {
  return `${service}/${reason}`
}

function addRetries(sums: Map<string, RetryCount>, each: RetryCount): void {
  const key = retryKey(each)
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
  const buckets = known.buckets.map((count, i) => count + (each.buckets[i] ?? 0))
  sums.set(key, { ...known, codes, buckets, sumSeconds: known.sumSeconds + each.sumSeconds })
}
