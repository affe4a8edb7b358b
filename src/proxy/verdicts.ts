import type { ToControl } from '../model/messages.ts'
import type { Target } from './upstream/target.ts'

/** How long failures are gathered before they are told: a server that fails one request mostly fails many at once. */
const GATHER_MS = 20

/** What requests met at servers, for the control half, which decides who is ejected. */
export class Verdicts {
  private readonly tell: (message: ToControl) => void
  /** Failures not told yet, by key. */
  private counts = new Map<string, number>()
  /** Served a request after failures that were told. */
  private recovered = new Set<string>()
  private timer: NodeJS.Timeout | null = null

  constructor(tell: (message: ToControl) => void) {
    this.tell = tell
  }

  failed(target: Target): void {
    target.failuresInRow++
    this.counts.set(target.key, (this.counts.get(target.key) ?? 0) + 1)
    this.tellSoon()
  }

  /** It has served a request, after failures. */
  served(target: Target): void {
    const untold = this.counts.get(target.key) ?? 0
    this.counts.delete(target.key)
    if (untold < target.failuresInRow) this.recovered.add(target.key)
    target.failuresInRow = 0
    this.tellSoon()
  }

  /** The one request that an ejected server was to get has been answered well, or not. */
  tried(target: Target, ok: boolean): void {
    this.tell({ type: 'trial', key: target.key, ok })
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
    this.tell({ type: 'failures', recovered: [...recovered], counts: [...counts] })
  }
}
