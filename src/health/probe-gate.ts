/** Probes that have begun a moment ago, at most: so much of a turn of the event loop they may take. */
const MAX_YOUNG = 128
/** A probe older than this holds up no other: its server is slow, or does not answer at all. */
const YOUNG_MS = 100

/**
 * Lets probes begin in turn, a bounded number at a time, so that thousands that are due at once neither flood the network
 * nor keep this process from anything else. One that is slow gives its place to the next.
 */
export class ProbeGate {
  readonly #waiting: (() => void)[] = []
  /** Where the first one stands that has not begun. */
  #first = 0
  #young = 0

  /** Calls `begin` when it is its turn, now or later; its probe has ended when `begin` resolves, which must not reject. */
  enter(begin: () => Promise<void>): void {
    if (this.#young < MAX_YOUNG) this.#begin(begin)
    else this.#waiting.push(() => this.#begin(begin))
  }

  #begin(begin: () => Promise<void>): void {
    this.#young++
    let isYoung = true
    const leave = (): void => {
      if (!isYoung) return
      isYoung = false
      clearTimeout(timer)
      this.#young--
      this.#next()
    }
    const timer = setTimeout(leave, YOUNG_MS).unref()
    void begin().then(leave)
  }

  #next(): void {
    const next = this.#waiting[this.#first]
    if (next === undefined) return
    this.#first++
    // Cut off now and then: taking the first one out of a long array each time costs as much as the array is long.
    if (this.#first === this.#waiting.length || this.#first > 1_000) {
      this.#waiting.splice(0, this.#first)
      this.#first = 0
    }
    next()
  }
}
