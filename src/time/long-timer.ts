/** The longest time that Node's own timers wait; asked for more, they fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * A timer for any time, by the monotonic clock. For times that are computed: those that a configuration gives are bounded
 * (`config/units.ts`), and fit into Node's own timers.
 */
export class LongTimer {
  private readonly due: number
  private readonly onDue: () => void
  private readonly maxMs: number
  private timer: NodeJS.Timeout

  /** Calls `onDue` once, `delayMs` from now. `maxMs`: of one timer of Node. */
  constructor(delayMs: number, onDue: () => void, maxMs = MAX_TIMER_MS) {
    this.maxMs = maxMs
    this.due = performance.now() + delayMs
    this.onDue = onDue
    this.timer = this.wait()
  }

  /** Does not keep the process alive. */
  unref(): this {
    this.timer.unref()
    return this
  }

  cancel(): void {
    clearTimeout(this.timer)
  }

  private wait(): NodeJS.Timeout {
    const leftMs = Math.max(0, this.due - performance.now())
    return setTimeout(() => this.look(), Math.min(this.maxMs, Math.ceil(leftMs)))
  }

  /** A timer of Node may be a little early: it counts from when the event loop last looked at the clock. */
  private look(): void {
    if (performance.now() >= this.due) {
      this.onDue()
      return
    }
    const keepsAlive = this.timer.hasRef()
    this.timer = this.wait()
    if (!keepsAlive) this.timer.unref()
  }
}
