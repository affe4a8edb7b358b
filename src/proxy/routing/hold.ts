import type { HeldRequests } from './held-requests.ts'
import type { QueuedRequest } from './queue.ts'

/** The time that one request is held while its service is paused. */
export class Hold {
  /** Time held so far, ms. */
  ms = 0
  private readonly request: QueuedRequest
  private readonly onTimeout: (hold: Hold) => void
  private held: HeldRequests | null = null
  private since = 0
  private timer: NodeJS.Timeout | null = null

  /** `onTimeout`: called when the request was held for as long as it may be; it is not held any more. */
  constructor(request: QueuedRequest, onTimeout: () => void) {
    this.request = request
    this.onTimeout = onTimeout
  }

  get isHeld(): boolean {
    return this.held !== null
  }

  /**
   * Holds the request for at most `forMs` in all, from its first hold. Returns false if too many requests are held; `max`:
   * for this service, 0 = no limit.
   */
  begin(held: HeldRequests, forMs: number, max: number): boolean {
    if (!held.enter(this.request, max)) return false
    this.held = held
    this.since = performance.now()
    this.timer = setTimeout(onTime, Math.max(0, forMs - this.ms), this)
    return true
  }

  /** Ends the hold, if the request is held. */
  end(): void {
    if (this.held === null) return
    this.held.leave(this.request)
    this.held = null
    if (this.timer !== null) clearTimeout(this.timer)
    this.ms += performance.now() - this.since
  }

  timedOut(): void {
    this.end()
    this.onTimeout(this)
  }
}

function onTime(hold: Hold): void {
  hold.timedOut()
}
