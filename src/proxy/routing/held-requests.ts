import type { Share } from '../share.ts'
import { dividedLimit } from '../share.ts'
import type { QueuedRequest } from './queue.ts'

/** Requests released in one turn of the event loop, so that others are served meanwhile. */
const RELEASED_AT_ONCE = 200

/** The requests that a data plane holds for all services. */
export interface HeldTotal {
  count: number
  /** Max of an instance; 0 = no limit. */
  readonly max: number
  /** The part of this data plane. */
  readonly share: Share
}

/** Requests of a paused service, held unread until it is resumed. */
export class HeldRequests {
  private readonly requests = new Set<QueuedRequest>()
  private readonly total: HeldTotal
  private isReleasing = false
  /** Whether `release` was called since the current release began. */
  private isWantedAgain = false

  constructor(total: HeldTotal) {
    this.total = total
  }

  get size(): number {
    return this.requests.size
  }

  /** Adds a request. Returns false if as many are held as may be; `max`: of this service in an instance, 0 = no limit. */
  enter(request: QueuedRequest, max: number): boolean {
    const { total } = this
    if (isReached(max, this.requests.size, total.share) || isReached(total.max, total.count, total.share)) return false
    this.requests.add(request)
    total.count++
    return true
  }

  /** Removes a request that continues or was given up. */
  leave(request: QueuedRequest): void {
    if (this.requests.delete(request)) this.total.count--
  }

  /** Lets all requests continue that may, the oldest first. Those that may not stay held. */
  release(): void {
    if (this.requests.size === 0) return
    this.isWantedAgain = this.isReleasing
    if (this.isReleasing) return
    this.isReleasing = true
    this.releaseSome([...this.requests], 0)
  }

  private releaseSome(requests: readonly QueuedRequest[], from: number): void {
    const to = Math.min(requests.length, from + RELEASED_AT_ONCE)
    for (let i = from; i < to; i++) {
      const request = requests[i] as QueuedRequest
      if (this.requests.has(request)) request.advance()
    }
    if (to < requests.length) {
      setImmediate(() => this.releaseSome(requests, to))
      return
    }
    this.isReleasing = false
    if (this.isWantedAgain) this.release()
  }
}

function isReached(limit: number, count: number, share: Share): boolean {
  return limit > 0 && count >= dividedLimit(limit, share)
}
