import type { HandshakeReport, LoadReport, Report, TickRow, ToProxy } from '../model/messages.ts'
import { own } from '../model/names.ts'
import { DroppedCount } from './dropped-count.ts'
import { HandshakeTotals } from './handshake-totals.ts'
import { type InForce, Totals } from './totals.ts'

/** Max time, ms, that a proxy may take to report before the reports of the others are used without it. */
const REPORT_TIMEOUT_MS = 1_000

interface Round {
  readonly missing: Set<string>
  readonly reports: LoadReport[]
  readonly finish: () => void
}

/**
 * Asks proxies for their load and adds it up, and keeps their counts. The counts of a proxy that has ended stay in the
 * totals, as last reported; its load does not.
 */
export class Reports {
  private lastId = 0
  private readonly last = new Map<string, LoadReport>()
  private readonly totals = new Totals()
  private readonly logDropped = new DroppedCount()
  private readonly spansDropped = new DroppedCount()
  private readonly handshakeTotals = new HandshakeTotals()
  private rows: TickRow[] = []
  private readonly rounds = new Map<number, Round>()

  /** Asks all proxies for their load now, and adds it up. Their counts are up to date when it resolves. */
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

  /** Counts of all proxies, from their last reports; those that are not in force are left out after a while. */
  counts(inForce: InForce): ReturnType<Totals['read']> {
    return this.totals.read(inForce)
  }

  /** Lines of the access log dropped by all proxies, those that have ended included. */
  get accessLogDropped(): number {
    return this.logDropped.total
  }

  /** Spans dropped by all proxies, likewise. */
  get traceSpansDropped(): number {
    return this.spansDropped.total
  }

  /** Handshakes of all proxies, likewise. */
  get handshakes(): readonly HandshakeReport[] {
    return this.handshakeTotals.all
  }

  /** Returns the counts by server that have been reported since the last call. */
  takeRows(): readonly TickRow[] {
    const taken = this.rows
    this.rows = []
    return taken
  }

  /** The load of a proxy in its last report. */
  lastOf(proxy: string): LoadReport | undefined {
    return this.last.get(proxy)
  }

  /** Stops waiting for reports of a proxy that has lost its link. */
  lost(proxy: string): void {
    for (const round of this.rounds.values())
      if (round.missing.delete(proxy) && round.missing.size === 0) round.finish()
  }

  /** Forgets the load of a proxy that has ended, and keeps its counts. */
  retire(proxy: string): void {
    this.last.delete(proxy)
    this.totals.retire(proxy)
    this.logDropped.retire(proxy)
    this.spansDropped.retire(proxy)
    this.handshakeTotals.retire(proxy)
  }

  /** Takes a report; `id` 0 = it was not asked for. */
  take(id: number, proxy: string, report: Report): void {
    this.last.set(proxy, report)
    this.totals.take(proxy, report)
    this.rows.push(...report.rows)
    this.logDropped.take(proxy, report.accessLogDropped)
    this.spansDropped.take(proxy, report.traceSpansDropped)
    this.handshakeTotals.take(proxy, report.handshakes)
    const round = this.rounds.get(id)
    if (round === undefined || !round.missing.delete(proxy)) return
    round.reports.push(report)
    if (round.missing.size === 0) round.finish()
  }
}

function addUp(reports: readonly LoadReport[]): LoadReport {
  const inFlight: Record<string, number> = {}
  const queued: Record<string, number> = {}
  const held: Record<string, number> = {}
  const listeners: Record<string, number> = {}
  let connections = 0
  for (const report of reports) {
    connections += report.connections
    add(inFlight, report.inFlight)
    add(queued, report.queued)
    add(held, report.held)
    add(listeners, report.listeners)
  }
  return { inFlight, queued, held, connections, listeners }
}

function add(sums: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [key, count] of Object.entries(counts)) sums[key] = (own(sums, key) ?? 0) + count
}
