/** Max drift between two clocks, ms per ms: ten times that of a quartz. */
const DRIFT = 0.0005

/**
 * Estimates the clock of Redis from this process's monotonic clock; the local wall clock does not matter. Every answer
 * with the server's time bounds the difference from both sides, since the server read its clock after the command was
 * sent and before the answer came. A quick answer gives tighter bounds than a late one.
 */
export class ServerClock {
  /** Min and max of the server's time minus the local monotonic time, ms. */
  #min = Number.NEGATIVE_INFINITY
  #max = Number.POSITIVE_INFINITY
  #setAt = 0
  readonly #now: () => number

  /** `now`: the local monotonic clock, ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Takes the server's time from an answer; `sentAt`: local monotonic time at which the command was sent, ms. */
  set(serverMs: number, sentAt: number): void {
    const now = this.#now()
    const driftMs = (now - this.#setAt) * DRIFT
    const [min, max] = [serverMs - now, serverMs + 1 - sentAt]
    this.#setAt = now
    const [knownMin, knownMax] = [this.#min - driftMs, this.#max + driftMs]
    // If not, the server's clock was set, or it is another server.
    const isSameClock = min <= knownMax && max >= knownMin
    this.#min = isSameClock ? Math.max(min, knownMin) : min
    this.#max = isSameClock ? Math.min(max, knownMax) : max
  }

  /**
   * The server's time at local monotonic time `at`, or a little less, ms. 0 = no answer was seen yet.
   */
  at(at: number): number {
    return this.#min === Number.NEGATIVE_INFINITY ? 0 : Math.floor(this.#min + at)
  }

  /** The server's time now, or a little less, ms; the local wall clock until an answer was seen. */
  nowMs(): number {
    return this.at(this.#now()) || Date.now()
  }
}
