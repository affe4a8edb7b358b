import type { LoadReport, Report, SeriesReport, ToProxy } from '../model/messages.ts'
import { Totals } from './totals.ts'

/** How long a proxy half may take to report before the others' reports are used without it. */
const REPORT_TIMEOUT_MS = 1_000

interface Round {
  readonly missing: Set<string>
  readonly reports: LoadReport[]
  readonly finish: () => void
}

/**
 * Asks proxy halves for what they have under way and adds it up, and keeps account of what they have counted. What one
 * that is gone has counted stays in the totals, as it said last; what it had under way does not.
 */
export class Reports {
  private lastId = 0
  private readonly last = new Map<string, LoadReport>()
  private readonly totals = new Totals()
  private readonly droppedBy = new Map<string, number>()
  private droppedBefore = 0
  private readonly rounds = new Map<number, Round>()

  /** What all have under way now; by then their counts are here, too. */
  collect(links: ReadonlyMap<string, { send(message: ToProxy): void }>): Promise<LoadReport> {
    const id = ++this.lastId
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer)
        this.rounds.delete(id)
        resolve(addUp(round.reports))
      }
      const round: Round = { missing: new Set(links.keys()), reports: [], finish }
      const timer = setTimeout(finish, REPORT_TIMEOUT_MS)
      this.rounds.set(id, round)
      if (links.size === 0) finish()
      for (const link of links.values()) link.send({ type: 'report', id })
    })
  }

  /** What all have counted, as they said last. `isCurrent`: those that are not are left out after a while. */
  counts(isCurrent: (series: SeriesReport) => boolean): ReturnType<Totals['read']> {
    return this.totals.read(isCurrent)
  }

  /** Lines of the access log that were dropped, by all proxy halves there are and have been. */
  get accessLogDropped(): number {
    let sum = this.droppedBefore
    for (const dropped of this.droppedBy.values()) sum += dropped
    return sum
  }

  /** What a proxy half had under way when it reported last. */
  lastOf(proxy: string): LoadReport | undefined {
    return this.last.get(proxy)
  }

  /** A proxy half cannot be asked any more. */
  lost(proxy: string): void {
    for (const round of this.rounds.values())
      if (round.missing.delete(proxy) && round.missing.size === 0) round.finish()
  }

  /** A proxy half has ended. */
  retire(proxy: string): void {
    this.last.delete(proxy)
    this.totals.retire(proxy)
    this.droppedBefore += this.droppedBy.get(proxy) ?? 0
    this.droppedBy.delete(proxy)
  }

  /** `id` 0: unasked. */
  take(id: number, proxy: string, report: Report): void {
    this.last.set(proxy, report)
    this.totals.take(proxy, report)
    this.droppedBy.set(proxy, report.accessLogDropped)
    const round = this.rounds.get(id)
    if (round === undefined || !round.missing.delete(proxy)) return
    round.reports.push(report)
    if (round.missing.size === 0) round.finish()
  }
}

function addUp(reports: readonly LoadReport[]): LoadReport {
  const inFlight: Record<string, number> = {}
  const queued: Record<string, number> = {}
  let connections = 0
  for (const report of reports) {
    connections += report.connections
    add(inFlight, report.inFlight)
    add(queued, report.queued)
  }
  return { inFlight, queued, connections }
}

function add(sums: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [key, count] of Object.entries(counts)) sums[key] = (sums[key] ?? 0) + count
}
