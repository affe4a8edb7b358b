import type { ExplainedRequest, Explanation } from '../model/explain.ts'
import type { HandshakeReport, LoadReport, TickRow, ToControl, ToProxy, Totals, Vitals } from '../model/messages.ts'
import { Explanations } from './explanations.ts'
import type { ControlEnd } from './link.ts'
import { Reports } from './reports.ts'
import type { InForce } from './totals.ts'

/** The links to the proxies of this instance, and what the proxies report of themselves. */
export class ProxyLinks {
  /** By name of the proxy. */
  readonly all: ReadonlyMap<string, ControlEnd>
  private readonly links = new Map<string, ControlEnd>()
  private readonly reports = new Reports()
  private readonly explanations = new Explanations()
  private readonly vitals = new Map<string, Vitals>()
  private readonly onStopped = new Map<string, (cut: number) => void>()
  private expected: readonly string[] = []

  constructor() {
    this.all = this.links
  }

  add(name: string, link: ControlEnd): void {
    this.links.set(name, link)
  }

  /** Removes a proxy whose link has closed. Returns false if another link has taken its place. */
  remove(name: string, link: ControlEnd): boolean {
    if (this.links.get(name) !== link) return false
    this.links.delete(name)
    this.reports.lost(name)
    this.onStopped.get(name)?.(0)
    return true
  }

  /** Sets which proxies are alive; those that are not listed are forgotten, except for their counts. */
  expect(names: readonly string[]): void {
    for (const name of this.expected) {
      if (names.includes(name)) continue
      this.reports.retire(name)
      this.vitals.delete(name)
    }
    this.expected = names
  }

  send(message: ToProxy): void {
    for (const link of this.links.values()) link.send(message)
  }

  /**
   * Stops every proxy: listeners close after `acceptForMs`, then requests in flight get `timeoutMs` to finish; null =
   * no limit. Resolves with the number of requests and tunnels that were cut.
   */
  async stop(acceptForMs: number, timeoutMs: number | null): Promise<number> {
    const stopped = [...this.links].map(
      ([name, link]) =>
        new Promise<number>((resolve) => {
          this.onStopped.set(name, resolve)
          link.send({ type: 'stop', acceptForMs, timeoutMs, tunnels: 'atOnce' })
        }),
    )
    return (await Promise.all(stopped)).reduce((sum, cut) => sum + cut, 0)
  }

  /** Asks a proxy how it would decide about a request now; null = none answers in time. */
  explain(request: ExplainedRequest, service: string | null): Promise<Explanation | null> {
    return this.explanations.ask([...this.links.values()][0], request, service)
  }

  /** Asks all proxies for their load, and adds it up. */
  collect(): Promise<LoadReport> {
    return this.reports.collect(this.links)
  }

  /** Returns the counts by server that all proxies have reported since the last call. */
  takeRows(): readonly TickRow[] {
    return this.reports.takeRows()
  }

  /** The load of a proxy in its last report. */
  reportOf(name: string): LoadReport | undefined {
    return this.reports.lastOf(name)
  }

  /** The last reported resource usage of a proxy's process. */
  vitalsOf(name: string): Vitals | undefined {
    return this.vitals.get(name)
  }

  /** Lines of the access log dropped since the start of the proxies, those that have ended included. */
  get accessLogDropped(): number {
    return this.reports.accessLogDropped
  }

  get traceSpansDropped(): number {
    return this.reports.traceSpansDropped
  }

  /** Handshakes of all proxies, those that have ended included. */
  get handshakes(): readonly HandshakeReport[] {
    return this.reports.handshakes
  }

  /** Counts of all proxies, from their last reports; those that are not in force are left out after a while. */
  counts(inForce: InForce): Pick<Totals, 'series' | 'tallies'> {
    return this.reports.counts(inForce)
  }

  /** Takes what a proxy says of itself. */
  take(name: string, message: Extract<ToControl, { type: 'report' | 'vitals' | 'stopped' | 'explained' }>): void {
    switch (message.type) {
      case 'report':
        this.reports.take(message.id, name, message.report)
        break
      case 'vitals':
        this.vitals.set(name, message.vitals)
        break
      case 'explained':
        this.explanations.take(message.id, message.explanation)
        break
      case 'stopped':
        this.onStopped.get(name)?.(message.cut)
        break
    }
  }
}
