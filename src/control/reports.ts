import type { Report, SeriesReport, ToProxy } from '../model/messages.ts'

/** How long a proxy half may take to report before the others' reports are used without it. */
const REPORT_TIMEOUT_MS = 1_000

interface Round {
  readonly missing: Set<string>
  readonly reports: Report[]
  readonly finish: () => void
}

/**
 * Asks proxy halves for their counts and adds them up. What one that is gone has counted stays in the totals, as it said
 * last; what it had under way does not.
 */
export class Reports {
  private lastId = 0
  private readonly last = new Map<string, Report>()
  private retired: Report | null = null
  private readonly rounds = new Map<number, Round>()

  collect(links: ReadonlyMap<string, { send(message: ToProxy): void }>): Promise<Report> {
    const id = ++this.lastId
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer)
        this.rounds.delete(id)
        resolve(merge(this.retired === null ? round.reports : [...round.reports, this.retired]))
      }
      const round: Round = { missing: new Set(links.keys()), reports: [], finish }
      const timer = setTimeout(finish, REPORT_TIMEOUT_MS)
      this.rounds.set(id, round)
      if (links.size === 0) finish()
      for (const link of links.values()) link.send({ type: 'report', id })
    })
  }

  /** What a proxy half said last. */
  lastOf(proxy: string): Report | undefined {
    return this.last.get(proxy)
  }

  /** A proxy half cannot be asked any more. */
  lost(proxy: string): void {
    for (const round of this.rounds.values())
      if (round.missing.delete(proxy) && round.missing.size === 0) round.finish()
  }

  /** A proxy half has ended. */
  retire(proxy: string): void {
    const last = this.last.get(proxy)
    this.last.delete(proxy)
    if (last === undefined) return
    const totals: Report = { ...last, inFlight: {}, queued: {}, connections: 0 }
    this.retired = this.retired === null ? totals : merge([this.retired, totals])
  }

  /** `id` 0: unasked. */
  take(id: number, proxy: string, report: Report): void {
    this.last.set(proxy, report)
    const round = this.rounds.get(id)
    if (round === undefined || !round.missing.delete(proxy)) return
    round.reports.push(report)
    if (round.missing.size === 0) round.finish()
  }
}

function merge(reports: readonly Report[]): Report {
  const inFlight: Record<string, number> = {}
  const queued: Record<string, number> = {}
  const series = new Map<string, SeriesReport>()
  const retries = new Map<string, { service: string; reason: string; count: number }>()
  let connections = 0
  for (const report of reports) {
    connections += report.connections
    add(inFlight, report.inFlight)
    add(queued, report.queued)
    for (const each of report.series) {
      const key = `${each.service}/${each.pool}/${each.version}`
      const known = series.get(key)
      series.set(key, known === undefined ? each : addSeries(known, each))
    }
    for (const each of report.retries) {
      const key = `${each.service}/${each.reason}`
      retries.set(key, { ...each, count: each.count + (retries.get(key)?.count ?? 0) })
    }
  }
  return { inFlight, queued, series: [...series.values()], retries: [...retries.values()], connections }
}

function add(sums: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [key, count] of Object.entries(counts)) sums[key] = (sums[key] ?? 0) + count
}

function addSeries(a: SeriesReport, b: SeriesReport): SeriesReport {
  const codes: Record<string, number> = { ...a.codes }
  add(codes, b.codes)
  const buckets = a.buckets.map((count, i) => count + (b.buckets[i] ?? 0))
  return { ...a, codes, buckets, sumSeconds: a.sumSeconds + b.sumSeconds }
}
