/** Time between two losses of the state, ms, below which they count as having one lasting cause. */
const AGAIN_MS = 60_000
const PAUSE_MS = { min: 1_000, max: 30_000 }

/** Limits restores of a store that keeps losing its state: two at once, then with growing pauses. */
export class RestorePace {
  #lastAt = Number.NEGATIVE_INFINITY
  #pauseMs = 0

  /** Whether the store may be restored at monotonic time `now`, ms. */
  isDue(now: number): boolean {
    return now - this.#lastAt >= this.#pauseMs
  }

  /** Records a restore at monotonic time `now`, ms. */
  done(now: number): void {
    if (now - this.#lastAt > AGAIN_MS) this.#pauseMs = 0
    else this.#pauseMs = Math.min(PAUSE_MS.max, Math.max(PAUSE_MS.min, 2 * this.#pauseMs))
    this.#lastAt = now
  }

  /** Whether the store has kept its state for more than twice the pause. */
  isOver(now: number): boolean {
    return now - this.#lastAt > 2 * this.#pauseMs
  }
}
