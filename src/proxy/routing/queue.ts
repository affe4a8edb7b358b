/** A request that is queued until a server can take it. */
export interface QueuedRequest {
  /** Leaves the queue and continues if a server can take the request; returns false if it must stay queued. */
  advance(): boolean
}

/** Requests queued for a server of one pool, first in, first out. */
export class Queue {
  private readonly requests: QueuedRequest[] = []
  private isPumping = false

  get length(): number {
    return this.requests.length
  }

  /** Adds a request. `first`: at the front, because it was queued before or a server failed to take it. */
  enter(request: QueuedRequest, first = false): void {
    if (first) this.requests.unshift(request)
    else this.requests.push(request)
  }

  /** Removes a request that continues or was given up. */
  leave(request: QueuedRequest): void {
    const at = this.requests.indexOf(request)
    if (at !== -1) this.requests.splice(at, 1)
  }

  /**
   * Lets as many requests continue as the servers have room for, in order. Deferred to a microtask: the caller that has
   * made room may be about to take it again.
   */
  pump(): void {
    if (this.requests.length === 0 || this.isPumping) return
    this.isPumping = true
    queueMicrotask(this.run)
  }

  private readonly run = (): void => {
    this.isPumping = false
    while (this.requests[0]?.advance()) {
      // `advance` has removed the request, so the next one is at the front.
    }
  }
}
