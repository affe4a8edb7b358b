/** The clock of Redis, as last seen, and how it has gone on since by ours. */
export class ServerClock {
  #serverMs = 0
  #seenAt = 0

  /** Takes the time that an answer says, as it comes in. */
  set(serverMs: number): void {
    this.#serverMs = serverMs
    this.#seenAt = performance.now()
  }

  /**
   * What the server's clock will show at our monotonic time `at`, in ms, or a little less: its answer was on its way for a
   * moment. 0 = no answer was seen yet.
   */
  at(at: number): number {
    return this.#serverMs === 0 ? 0 : this.#serverMs + Math.floor(at - this.#seenAt)
  }
}
