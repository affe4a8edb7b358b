/** How often deadlines are looked at: none is missed by more. */
const SWEEP_MS = 50
/** A shorter timeout gets a timer of its own, so that it is exact. */
const MIN_SWEPT_MS = 1_000

/**
 * Deadlines of very many connections, which are set anew with every message: setting one costs two assignments, and one timer
 * looks at all of them.
 */
export class Deadlines {
  private readonly pending = new Set<Deadline>()
  private timer: NodeJS.Timeout | null = null

  /** A deadline that is not set yet. */
  create(onReached: () => void): Deadline {
    return new Deadline(this.pending, () => this.begin(), onReached)
  }

  private begin(): void {
    this.timer ??= setInterval(() => this.sweep(), SWEEP_MS).unref()
  }

  private sweep(): void {
    if (this.pending.size === 0) {
      if (this.timer !== null) clearInterval(this.timer)
      this.timer = null
      return
    }
    const now = performance.now()
    for (const deadline of this.pending) deadline.look(now)
  }
}

/** One time limit; it can be set again and again. */
export class Deadline {
  private readonly pending: Set<Deadline>
  private readonly onBegin: () => void
  private readonly onReached: () => void
  /** Monotonic ms; Infinity = not set. */
  private at = Number.POSITIVE_INFINITY
  private ownTimer: NodeJS.Timeout | null = null

  constructor(pending: Set<Deadline>, onBegin: () => void, onReached: () => void) {
    this.pending = pending
    this.onBegin = onBegin
    this.onReached = onReached
  }

  /** Sets it `timeoutMs` from now, whatever it was before; 0 = it is not set any more. */
  set(timeoutMs: number): void {
    this.clearOwnTimer()
    if (timeoutMs === 0) {
      this.at = Number.POSITIVE_INFINITY
      return
    }
    if (timeoutMs < MIN_SWEPT_MS) {
      this.at = Number.POSITIVE_INFINITY
      this.ownTimer = setTimeout(this.onReached, timeoutMs)
      return
    }
    this.at = performance.now() + timeoutMs
    this.pending.add(this)
    this.onBegin()
  }

  /** It is not set any more; it may be set again. */
  clear(): void {
    this.clearOwnTimer()
    this.at = Number.POSITIVE_INFINITY
  }

  /** It will not be set again. */
  close(): void {
    this.clear()
    this.pending.delete(this)
  }

  look(now: number): void {
    if (now < this.at) return
    this.at = Number.POSITIVE_INFINITY
    this.onReached()
  }

  private clearOwnTimer(): void {
    if (this.ownTimer === null) return
    clearTimeout(this.ownTimer)
    this.ownTimer = null
  }
}
