import type { SeriesReport } from '../model/messages.ts'
import { Histogram } from './histogram.ts'

/** Status codes are three digits; everything else counts as 0. */
const CODES = 1_000

/** What one service, pool and version answered. Counts since the start. */
export class Series {
  readonly service: string
  readonly pool: string
  readonly version: string
  private readonly codes = new Float64Array(CODES)
  private readonly durations = new Histogram()

  constructor(service: string, pool: string, version: string) {
    this.service = service
    this.pool = pool
    this.version = version
  }

  observe(status: number, seconds: number): void {
    const code = status > 0 && status < CODES ? status : 0
    this.codes[code] = (this.codes[code] as number) + 1
    this.durations.observe(seconds)
  }

  report(): SeriesReport {
    const codes: Record<string, number> = {}
    this.codes.forEach((count, code) => {
      if (count > 0) codes[code] = count
    })
    const { service, pool, version, durations } = this
    return { service, pool, version, codes, buckets: [...durations.buckets], sumSeconds: durations.sumSeconds }
  }
}

/** All counters of a data plane. Series outlive the tables that use them: totals never go back. */
export class Counters {
  private readonly series = new Map<string, Series>()
  private readonly retries = new Map<string, { service: string; reason: string; count: number }>()

  seriesFor(service: string, pool: string, version: string): Series {
    const key = `${service}/${pool}/${version}`
    const known = this.series.get(key)
    if (known !== undefined) return known
    const series = new Series(service, pool, version)
    this.series.set(key, series)
    return series
  }

  retried(service: string, reason: string): void {
    const key = `${service}/${reason}`
    const entry = this.retries.get(key) ?? { service, reason, count: 0 }
    entry.count++
    this.retries.set(key, entry)
  }

  report(): { series: SeriesReport[]; retries: { service: string; reason: string; count: number }[] } {
    const series = [...this.series.values()].map((entry) => entry.report())
    const retries = [...this.retries.values()].map((entry) => ({ ...entry }))
    return { series: series.filter(({ codes }) => Object.keys(codes).length > 0), retries }
  }
}
