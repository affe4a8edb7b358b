import type { Deadline } from './deadlines.ts'
import type { InboundTimeouts } from './inbound-handler.ts'

/** The timeouts of a client's input: one deadline, which is set anew for each phase of a request. */
export class RequestTimes {
  private readonly deadline: Deadline
  private readonly timeouts: InboundTimeouts
  /** End of `requestMs` of the current request, monotonic ms. */
  private endsAt = Number.POSITIVE_INFINITY

  constructor(deadline: Deadline, timeouts: InboundTimeouts) {
    this.deadline = deadline
    this.timeouts = timeouts
  }

  /** The connection was opened. */
  opened(): void {
    this.deadline.set(this.timeouts.headMs)
  }

  /** The first byte of a request has arrived; `isWhole`: its whole head as well. */
  begun(isWhole: boolean): void {
    const { headMs, requestMs } = this.timeouts
    if (requestMs > 0) this.endsAt = performance.now() + requestMs
    if (!isWhole) this.deadline.set(headMs === 0 || requestMs === 0 ? headMs + requestMs : Math.min(headMs, requestMs))
  }

  /** The head was read; `hasBody`: a body follows. */
  headRead(hasBody: boolean): void {
    if (hasBody) this.bodyPaused()
    else this.deadline.clear()
  }

  /** The next piece of the body is awaited. */
  bodyAwaited(): void {
    this.setForBody(this.timeouts.idleBodyMs)
  }

  /** The body is not read for now, so only the time for the whole request counts. */
  bodyPaused(): void {
    this.setForBody(0)
  }

  /** The whole request was read. */
  requestRead(): void {
    this.deadline.clear()
  }

  /** The response is complete; the next request is awaited. */
  idle(): void {
    this.endsAt = Number.POSITIVE_INFINITY
    this.deadline.set(this.timeouts.keepAliveMs)
  }

  /** Sets the deadline `idleMs` from now (0 = none), but no later than the end of `requestMs`. */
  private setForBody(idleMs: number): void {
    if (this.endsAt === Number.POSITIVE_INFINITY) this.deadline.set(idleMs)
    else {
      const leftMs = Math.max(1, this.endsAt - performance.now())
      this.deadline.set(idleMs === 0 ? leftMs : Math.min(idleMs, leftMs))
    }
  }
}
