import type { ToControl, TrialOutcome } from '../model/messages.ts'
import type { Target } from './upstream/target.ts'

/** How long failures are gathered before they are told: a server that fails one request mostly fails many at once. */
const GATHER_MS = 20

/** What requests met at servers, for the control half, which decides who is ejected. */
export class Verdicts {
  private readonly tell: (message: ToControl) => void
  /** Failures not told yet. */
  private counts = new Map<string, { count: number; unreachable: boolean }>()
  /** Served a request after failures that were told. */
  private recovered = new Set<string>()
  private timer: NodeJS.Timeout | null = null

  constructor(tell: (message: ToControl) => void) {
    this.tell = tell
  }

  /** `unreachable`: the connection failed, rather than the server answering badly. */
  failed(target: Target, unreachable: boolean): void {
    target.failuresInRow++
    const known = this.counts.get(target.key)
    if (known === undefined) this.counts.set(target.key, { count: 1, unreachable })
    else {
      known.count++
      known.unreachable = unreachable
    }
    this.tellSoon()
  }

  /** It has served a request, after failures. */
  served(target: Target): void {
    const untold = this.counts.get(target.key)?.count ?? 0
    this.counts.delete(target.key)
    if (untold < target.failuresInRow) this.recovered.add(target.key)
    target.failuresInRow = 0
    this.tellSoon()
  }

  /** The one request that an ejected server was to get has been answered well, or not. */
  tried(target: Target, outcome: TrialOutcome): void {
    this.tell({ type: 'trial', key: target.key, outcome })
  }

  private tellSoon(): void {
    this.timer ??= setTimeout(() => this.tellNow(), GATHER_MS).unref()
  }

  private tellNow(): void {
    this.timer = null
    const { counts, recovered } = this
    if (counts.size === 0 && recovered.size === 0) return
    this.counts = new Map()
    this.recovered = new Set()
    this.tell({
      type: 'failures',
      recovered: [...recovered],
      counts: [...counts].map(([key, { count, unreachable }]) => [key, count, unreachable] as const),
    })
  }
}
