/** Max number of young probes. Bounds the share of an event loop turn that probes take. */
const MAX_YOUNG = 128
/** A probe older than this no longer counts: its server is slow, or does not answer at all. */
const YOUNG_MS = 100

/**
 * Limits how many probes begin at the same time, so that thousands that are due at once neither flood the network nor
 * block this process. A probe that takes longer than `YOUNG_MS` gives its place to the next.
 */
export class ProbeGate {
  readonly #waiting: (() => void)[] = []
  /** Index in `#waiting` of the next probe to begin. */
  #first = 0
  #young = 0

  /** Calls `begin` when there is room, now or later. `begin` resolves when its probe has ended, and must not reject. */
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
    // Removed in batches: shifting the first element off a long array costs time in proportion to its length.
    if (this.#first === this.#waiting.length || this.#first > 1_000) {
      this.#waiting.splice(0, this.#first)
      this.#first = 0
    }
    next()
  }
}
