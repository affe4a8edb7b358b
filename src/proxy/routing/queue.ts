/** A request that waits until a server can take it. */
export interface Waiting {
  /** Goes on if it can, and leaves the queue then; returns false when it has to wait on. */
  advance(): boolean
}

/** Requests waiting for a server of one pool: first come, first served. */
export class Queue {
  private readonly waiting: Waiting[] = []
  private isPumping = false

  get length(): number {
    return this.waiting.length
  }

  /** `first`: it has waited before, or been sent to a server that did not take it. */
  enter(request: Waiting, first = false): void {
    if (first) this.waiting.unshift(request)
    else this.waiting.push(request)
  }

  /** Takes one out that goes on, or has been given up. */
  leave(request: Waiting): void {
    const at = this.waiting.indexOf(request)
    if (at !== -1) this.waiting.splice(at, 1)
  }

  /**
   * Some server may have room: as many go on as there is room for, in turn. Not at once: whoever has made room may be
   * about to take it again.
   */
  pump(): void {
    if (this.waiting.length === 0 || this.isPumping) return
    this.isPumping = true
    queueMicrotask(this.run)
  }

  private readonly run = (): void => {
    this.isPumping = false
    while (this.waiting[0]?.advance()) {
      // The next one is first now.
    }
  }
}
