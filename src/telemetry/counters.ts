import type { SeriesReport, TallyKind, TallyReport, TickRow, VersionsReport } from '../model/messages.ts'
import { Series } from './series.ts'
import { Row } from './ticks/row.ts'

/** Time for which series that no table names any more are kept: long enough to be scraped once more. */
const KEPT_MS = 60_000

/** Number of events of one kind, service and label since the start. */
export class Tally {
  readonly kind: TallyKind
  readonly service: string
  readonly label: string
  count = 0
  /** Whether anything was counted since the last report. */
  hasNews = false
  private readonly onNews: (tally: Tally) => void

  /** `onNews`: called with the first count after a report. */
  constructor(kind: TallyKind, service: string, label: string, onNews: (tally: Tally) => void) {
    this.kind = kind
    this.service = service
    this.label = label
    this.onNews = onNews
  }

  add(): void {
    this.count++
    if (this.hasNews) return
    this.hasNews = true
    this.onNews(this)
  }

  report(): TallyReport {
    const { kind, service, label, count } = this
    return { kind, service, label, count }
  }
}

/** The counts in a `Report`. */
export interface CountsReport {
  readonly whole: boolean
  readonly series: readonly SeriesReport[]
  readonly tallies: readonly TallyReport[]
  readonly ended: readonly string[]
  readonly rows: readonly TickRow[]
  readonly versions: readonly VersionsReport[]
}

/** Versions that were seen, until they are reported. */
interface VersionsNews {
  take(): VersionsReport
}

/**
 * All counters of a data plane. Series outlive the tables that use them, so totals never decrease. A series that no
 * table has named for a while is ended: the receiver of the reports keeps its totals from then on.
 */
export class Counters {
  private readonly series = new Map<string, Series>()
  private readonly ofService = new Map<string, Set<Series>>()
  /** Series that no table names any more, with the time since when (monotonic ms), oldest first. */
  private readonly unused = new Map<Series, number>()
  private readonly tallies = new Map<string, Tally>()
  private news: Series[] = []
  private newTallies: Tally[] = []
  private newRows: Row[] = []
  private newVersions: VersionsNews[] = []
  /** To be called with the first version seen after a report. */
  readonly onVersions = (versions: VersionsNews): void => {
    this.newVersions.push(versions)
  }
  private readonly now: () => number
  private readonly onNews = (series: Series): void => {
    this.news.push(series)
    // A request that began before the series was ended may still count in it.
    if (!this.series.has(series.key)) this.add(series)
  }

  /** `now`: monotonic ms. */
  constructor(now = () => performance.now()) {
    this.now = now
  }

  seriesFor(service: string, pool: string, version: string): Series {
    const key = seriesKey({ service, pool, version })
    const known = this.series.get(key)
    if (known !== undefined) {
      this.unused.delete(known)
      return known
    }
    const series = new Series(key, service, pool, version, this.onNews)
    this.add(series)
    return series
  }

  /** Counts of a server since they were last reported; `decision` and `server` as for `Row`. */
  row(series: Series, decision = 0, server = ''): Row {
    return new Row(series, decision, server, (row) => this.newRows.push(row))
  }

  /** Marks all series of a service as unused. The next table calls `seriesFor` for those that it still names. */
  forget(service: string): void {
    const now = this.now()
    for (const series of this.ofService.get(service) ?? []) if (!this.unused.has(series)) this.unused.set(series, now)
  }

  /** The tally of events of one kind; callers on the request path keep it. */
  tally(kind: TallyKind, service: string, label: string): Tally {
    const key = tallyKey({ kind, service, label })
    const known = this.tallies.get(key)
    if (known !== undefined) return known
    const tally = new Tally(kind, service, label, (counted) => this.newTallies.push(counted))
    this.tallies.set(key, tally)
    return tally
  }

  /** Returns all counts (`whole`), or those that have changed since the last report. */
  report(whole: boolean): CountsReport {
    const news = whole ? [...this.series.values()] : this.news
    const series = news.flatMap((entry) => entry.report() ?? [])
    const counted = whole ? [...this.tallies.values()].filter(({ count }) => count > 0) : this.newTallies
    const tallies = counted.map((tally) => tally.report())
    for (const tally of this.newTallies) tally.hasNews = false
    for (const entry of this.news) entry.hasNews = false
    const rows = this.newRows.map((row) => row.take())
    this.news = []
    this.newTallies = []
    this.newRows = []
    const versions = this.newVersions.map((seen) => seen.take())
    this.newVersions = []
    return { whole, series, tallies, ended: this.endUnused(), rows, versions }
  }

  /** Ends the series that no table has named for a while. Their totals have been reported. Returns their keys. */
  private endUnused(): string[] {
    const before = this.now() - KEPT_MS
    const ended: string[] = []
    // Oldest first.
    for (const [series, since] of this.unused) {
      if (since > before) break
      this.unused.delete(series)
      this.series.delete(series.key)
      const others = this.ofService.get(series.service)
      others?.delete(series)
      if (others?.size === 0) this.ofService.delete(series.service)
      if (series.report() === null) continue
      series.reset()
      ended.push(series.key)
    }
    return ended
  }

  private add(series: Series): void {
    this.series.set(series.key, series)
    const others = this.ofService.get(series.service)
    if (others === undefined) this.ofService.set(series.service, new Set([series]))
    else others.add(series)
  }
}

/** Key that identifies a tally. */
export function tallyKey({ kind, service, label }: Omit<TallyReport, 'count'>): string {
  return `${kind}/${service}/${label}`
}

/** Key that identifies a series. */
export function seriesKey({ service, pool, version }: Pick<SeriesReport, 'service' | 'pool' | 'version'>): string {
  return `${service}/${pool}/${version}`
}
