import type { SeriesReport } from '../model/messages.ts'
import { Histogram } from './histogram.ts'

/** Status codes have three digits; any other status counts as 0. */
const CODES = 1_000

/** Counts of the responses of one service, pool and version since the start. */
export class Series {
  readonly key: string
  readonly service: string
  readonly pool: string
  readonly version: string
  /** Whether anything was counted since the last report. */
  hasNews = false
  // Allocated with the first count: of many services, most get few requests or none.
  private codes: Float64Array | null = null
  private durations: Histogram | null = null
  private upstream: Histogram | null = null
  private readonly onNews: (series: Series) => void

  /** `onNews`: called with the first count after a report. */
  constructor(key: string, service: string, pool: string, version: string, onNews: (series: Series) => void) {
    this.key = key
    this.service = service
    this.pool = pool
    this.version = version
    this.onNews = onNews
  }

  /** A request has ended. `seconds`: from its header to the end of the response. */
  observe(status: number, seconds: number): void {
    const code = status > 0 && status < CODES ? status : 0
    this.codes ??= new Float64Array(CODES)
    this.durations ??= new Histogram()
    this.codes[code] = (this.codes[code] as number) + 1
    this.durations.observe(seconds)
    this.tell()
  }

  /** A try at a server of the pool has ended. */
  observeUpstream(seconds: number): void {
    this.upstream ??= new Histogram()
    this.upstream.observe(seconds)
    this.tell()
  }

  /** Totals; null = nothing was counted. */
  report(): SeriesReport | null {
    const { service, pool, version, durations, upstream } = this
    if (durations === null && upstream === null) return null
    const codes: Record<string, number> = {}
    this.codes?.forEach((count, code) => {
      if (count > 0) codes[code] = count
    })
    return { service, pool, version, codes, durations: reportOf(durations), upstream: reportOf(upstream) }
  }

  /** Resets all counts to zero. */
  reset(): void {
    this.codes = null
    this.durations = null
    this.upstream = null
  }

  private tell(): void {
    if (this.hasNews) return
    this.hasNews = true
    this.onNews(this)
  }
}

function reportOf(histogram: Histogram | null): SeriesReport['durations'] {
  const { buckets, sumSeconds } = histogram ?? new Histogram()
  return { buckets: [...buckets], sumSeconds }
}
