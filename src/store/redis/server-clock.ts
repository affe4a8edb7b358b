/** By how much two clocks may drift apart, ms per ms: ten times what a quartz does. */
const DRIFT = 0.0005

/**
 * The clock of Redis, by our monotonic one: what our own wall clock shows does not matter. Every answer that says the time
 * bounds the difference from both sides, since it was said after the question was sent and before the answer came; a quick
 * answer counts for more than a late one.
 */
export class ServerClock {
  /** Server's milliseconds minus ours, at least and at most. */
  #least = Number.NEGATIVE_INFINITY
  #most = Number.POSITIVE_INFINITY
  #setAt = 0
  readonly #now: () => number

  /** `now`: our monotonic clock, ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Takes the time that an answer says; `sentAt`: when it was asked for, on our monotonic clock, ms. */
  set(serverMs: number, sentAt: number): void {
    const now = this.#now()
    const driftMs = (now - this.#setAt) * DRIFT
    const [least, most] = [serverMs - now, serverMs + 1 - sentAt]
    this.#setAt = now
    const [knownLeast, knownMost] = [this.#least - driftMs, this.#most + driftMs]
    // Otherwise the server's clock was set, or it is another server.
    const isSameClock = least <= knownMost && most >= knownLeast
    this.#least = isSameClock ? Math.max(least, knownLeast) : least
    this.#most = isSameClock ? Math.min(most, knownMost) : most
  }

  /**
   * What the server's clock will show at our monotonic time `at`, in ms, or a little less. 0 = no answer was seen yet.
   */
  at(at: number): number {
    return this.#least === Number.NEGATIVE_INFINITY ? 0 : Math.floor(this.#least + at)
  }

  /** What it shows now, or a little less; our own clock until it is known. */
  nowMs(): number {
    return this.at(this.#now()) || Date.now()
  }
}
