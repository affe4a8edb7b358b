import type { TickRow } from '../../model/messages.ts'
import type { Series } from '../series.ts'
import { bucketOf, DURATION_BUCKETS } from './durations.ts'
import { FIGURE_COUNT, Figure } from './figures.ts'
import { pairsOf } from './merge-rows.ts'

/** A response that switches protocols: its duration is that of the tunnel. */
const SWITCHING_PROTOCOLS = 101

/** How a request has ended for its client. */
export type RequestResult = 'ok' | 'error' | 'left'

/**
 * Counts, since they were last taken, of the requests that one routing decision has sent to one server of a pool. It
 * counts in the series of the pool as well.
 */
export class Row {
  readonly series: Series
  private readonly decision: number
  private readonly server: string
  private readonly onNews: (row: Row) => void
  private hasNews = false
  // Allocated with the first count: most rows of many servers count nothing.
  private counts: Float64Array | null = null
  private durations: Uint32Array | null = null

  /**
   * `decision`: revision of the routing decision; `server`: empty = none. `onNews`: called with the first count after the
   * counts were taken.
   */
  constructor(series: Series, decision: number, server: string, onNews: (row: Row) => void) {
    this.series = series
    this.decision = decision
    this.server = server
    this.onNews = onNews
  }

  /** A request has ended; `ms`: from its header to the end of the response. */
  ended(status: number, ms: number, result: RequestResult): void {
    this.series.observe(status, ms / 1_000)
    this.add(Figure.requests)
    if (result === 'error') this.add(Figure.errors)
    else if (result === 'left') this.add(Figure.left)
    if (status === SWITCHING_PROTOCOLS) return
    this.durations ??= new Uint32Array(DURATION_BUCKETS)
    const bucket = bucketOf(ms)
    this.durations[bucket] = (this.durations[bucket] as number) + 1
  }

  /** A try at the server has ended with a response or an error of the server; `ms`: since it began. */
  tried(ok: boolean, ms: number): void {
    this.series.observeUpstream(ms / 1_000)
    this.add(Figure.tries)
    if (!ok) this.add(Figure.failures)
  }

  /** A request is sent again, after a try at this server. */
  retried(): void {
    this.add(Figure.retries)
  }

  /** A copy of a request is sent to the server. */
  mirrored(): void {
    this.add(Figure.mirrored)
  }

  /** Returns the counts, and resets them to zero. */
  take(): TickRow {
    const { service, pool, version } = this.series
    const { decision, server, counts, durations } = this
    const taken = {
      service,
      pool,
      version,
      decision,
      server,
      counts: [...(counts ?? [])],
      durations: pairsOf(durations ?? []),
    }
    counts?.fill(0)
    durations?.fill(0)
    this.hasNews = false
    return taken
  }

  private add(figure: number): void {
    this.counts ??= new Float64Array(FIGURE_COUNT)
    this.counts[figure] = (this.counts[figure] as number) + 1
    if (this.hasNews) return
    this.hasNews = true
    this.onNews(this)
  }
}
