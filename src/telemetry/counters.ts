import type { SeriesReport } from '../model/messages.ts'
import { Histogram } from './histogram.ts'

/** Status codes are three digits; everything else counts as 0. */
const CODES = 1_000

/** What one service, pool and version answered. Counts since the start. */
export class Series {
  readonly service: string
  readonly pool: string
  readonly version: string
  // Most services of many are asked rarely, if ever: there is nothing here until they are.
  private codes: Float64Array | null = null
  private durations: Histogram | null = null

  constructor(service: string, pool: string, version: string) {
    this.service = service
    this.pool = pool
    this.version = version
  }

  observe(status: number, seconds: number): void {
    const code = status > 0 && status < CODES ? status : 0
    this.codes ??= new Float64Array(CODES)
    this.durations ??= new Histogram()
    this.codes[code] = (this.codes[code] as number) + 1
    this.durations.observe(seconds)
  }

  /** null = nothing was counted. */
  report(): SeriesReport | null {
    const { service, pool, version, durations } = this
    if (this.codes === null || durations === null) return null
    const codes: Record<string, number> = {}
    this.codes.forEach((count, code) => {
      if (count > 0) codes[code] = count
    })
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
    const series = [...this.series.values()].flatMap((entry) => entry.report() ?? [])
    const retries = [...this.retries.values()].map((entry) => ({ ...entry }))
    return { series, retries }
  }
}
