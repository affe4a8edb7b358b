/** A state that is lost again within this time is lost by something that goes on. */
const AGAIN_MS = 60_000
const PAUSE_MS = { min: 1_000, max: 30_000 }

/** How often a store is filled again that loses what is written to it: at once the first two times, then ever more rarely. */
export class RestorePace {
  #lastAt = Number.NEGATIVE_INFINITY
  #pauseMs = 0

  /** Whether it may be filled again at monotonic time `now`, ms. */
  isDue(now: number): boolean {
    return now - this.#lastAt >= this.#pauseMs
  }

  /** It was filled again. */
  done(now: number): void {
    if (now - this.#lastAt > AGAIN_MS) this.#pauseMs = 0
    else this.#pauseMs = Math.min(PAUSE_MS.max, Math.max(PAUSE_MS.min, 2 * this.#pauseMs))
    this.#lastAt = now
  }

  /** Whether it has kept the state for longer than the pause. */
  isOver(now: number): boolean {
    return now - this.#lastAt > 2 * this.#pauseMs
  }
}
