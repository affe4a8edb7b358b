import type { ToControl, TrialOutcome } from '../model/messages.ts'
import type { Target } from './upstream/target.ts'

/**
 * Time for which failures are collected into one message: a server that fails one request mostly fails many at once.
 */
const COLLECT_MS = 20

/** Reports the outcomes of requests at servers to control, which decides about ejections. */
export class Verdicts {
  private readonly send: (message: ToControl) => void
  /** Failures that are not reported yet, by server. */
  private counts = new Map<string, { count: number; unreachable: boolean }>()
  /** Servers that have served a request after failures that were reported. */
  private recovered = new Set<string>()
  private timer: NodeJS.Timeout | null = null

  constructor(send: (message: ToControl) => void) {
    this.send = send
  }

  /** Records a failed try. `unreachable`: the connection failed; otherwise the server gave a bad response. */
  failed(target: Target, unreachable: boolean): void {
    target.failuresInRow++
    const known = this.counts.get(target.key)
    if (known === undefined) this.counts.set(target.key, { count: 1, unreachable })
    else {
      known.count++
      known.unreachable = unreachable
    }
    this.sendSoon()
  }

  /** Records the first success after failures. */
  served(target: Target): void {
    const unreported = this.counts.get(target.key)?.count ?? 0
    this.counts.delete(target.key)
    if (unreported < target.failuresInRow) this.recovered.add(target.key)
    target.failuresInRow = 0
    this.sendSoon()
  }

  /** Reports the outcome of the trial request of an ejected server. */
  tried(target: Target, outcome: TrialOutcome): void {
    this.send({ type: 'trial', key: target.key, outcome })
  }

  private sendSoon(): void {
    this.timer ??= setTimeout(() => this.sendNow(), COLLECT_MS).unref()
  }

  private sendNow(): void {
    this.timer = null
    const { counts, recovered } = this
    if (counts.size === 0 && recovered.size === 0) return
    this.counts = new Map()
    this.recovered = new Set()
    this.send({
      type: 'failures',
      recovered: [...recovered],
      counts: [...counts].map(([key, { count, unreachable }]) => [key, count, unreachable] as const),
    })
  }
}
