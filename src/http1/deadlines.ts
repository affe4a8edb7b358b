/** Interval of checks of all deadlines, ms: no deadline is late by more. */
const SWEEP_MS = 50
/** Timeouts below this get a timer of their own, so that they are exact; ms. */
const MIN_SWEPT_MS = 1_000

/**
 * Deadlines of many connections, reset with every message. Setting one costs two assignments; one timer checks all of
 * them.
 */
export class Deadlines {
  private readonly pending = new Set<Deadline>()
  private timer: NodeJS.Timeout | null = null

  /** Creates a deadline that is not set. */
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

/** A time limit that can be set repeatedly. */
export class Deadline {
  private readonly pending: Set<Deadline>
  private readonly onBegin: () => void
  private readonly onReached: () => void
  /** Monotonic ms; Infinity = not set. */
  private at = Number.POSITIVE_INFINITY
  private ownTimer: NodeJS.Timeout | null = null
  private isClosed = false

  constructor(pending: Set<Deadline>, onBegin: () => void, onReached: () => void) {
    this.pending = pending
    this.onBegin = onBegin
    this.onReached = onReached
  }

  /** Sets the deadline to `timeoutMs` from now, and replaces an earlier one; 0 = clears it. */
  set(timeoutMs: number): void {
    this.clearOwnTimer()
    if (timeoutMs === 0 || this.isClosed) {
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

  /** Clears the deadline; it may be set again. */
  clear(): void {
    this.clearOwnTimer()
    this.at = Number.POSITIVE_INFINITY
  }

  /** Clears the deadline for good: it cannot be set any more. */
  close(): void {
    this.isClosed = true
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
