/** Max delay of Node's own timers; with a longer delay they fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * A timer for any delay, by the monotonic clock. Needed only for computed delays: durations of a configuration are
 * bounded (`config/units.ts`) and fit into Node's own timers.
 */
export class LongTimer {
  private readonly due: number
  private readonly onDue: () => void
  private readonly maxMs: number
  private timer: NodeJS.Timeout

  /** Calls `onDue` once, `delayMs` from now. `maxMs`: max delay of a single Node timer. */
  constructor(delayMs: number, onDue: () => void, maxMs = MAX_TIMER_MS) {
    this.maxMs = maxMs
    this.due = performance.now() + delayMs
    this.onDue = onDue
    this.timer = this.wait()
  }

  /** Stops the timer from keeping the process alive. */
  unref(): this {
    this.timer.unref()
    return this
  }

  cancel(): void {
    clearTimeout(this.timer)
  }

  private wait(): NodeJS.Timeout {
    const leftMs = Math.max(0, this.due - performance.now())
    return setTimeout(() => this.check(), Math.min(this.maxMs, Math.ceil(leftMs)))
  }

  /**
   * Waits on if it is not time yet. Node's timers may be early: they count from the event loop's last reading of the
   * clock.
   */
  private check(): void {
    if (performance.now() >= this.due) {
      this.onDue()
      return
    }
    const keepsAlive = this.timer.hasRef()
    this.timer = this.wait()
    if (!keepsAlive) this.timer.unref()
  }
}
