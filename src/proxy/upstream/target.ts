import type { Health } from '../../model/state.ts'
import { LongTimer } from '../../time/long-timer.ts'
import type { ErrorCode } from '../errors.ts'
import type { Queue } from '../routing/queue.ts'
import type { ConnectionSettings } from './connections.ts'
import { Connections } from './connections.ts'

/** A request or tunnel that can be ended by force. */
export interface UnderWay {
  /** Its index in the target's list; -1 = not in it. */
  slot: number
  /** Ends the request, at the deadline of a drain by default. Returns false if it may continue. */
  cut(reason?: ErrorCode): boolean
}

export interface TargetEvents {
  /** The last request at a closed target has ended; `cut` requests were ended at the deadline. */
  onIdle(target: Target, cut: number): void
}

/** How long to avoid a server that refused a connection, if there are others. */
const AVOID_MS = 1_000

/** A server, with its connections and requests in flight. Exists while the table names it or requests are in flight. */
export class Target {
  readonly key: string
  readonly name: string
  readonly url: string
  readonly connections: Connections
  /** `trial`: ejected, except for one request. */
  health: Health | 'trial' = 'unknown'
  /** Since when it takes requests, monotonic ms; -Infinity = it is not in slow start. */
  takesSince = Number.NEGATIVE_INFINITY
  /** Failed requests since the last success. */
  failuresInRow = 0
  /** The current table does not name this target. */
  isLeaving = false
  /** Accepts new requests because of a fuse, though the table that control has sent closes it. */
  isStandby = false
  inFlight = 0
  /** Max requests and tunnels in flight; 0 = unlimited. */
  maxConnections = 0
  /** Time for the requests in flight to end once the server is removed; 0 = unlimited. */
  leaveMs = 0
  /** Requests queued for its pool. */
  queue: Queue | null = null
  /** Until when to avoid this server, monotonic ms; 0 = not avoided. */
  avoidUntil = 0
  /**
   * A list with swap removal instead of a Set: the table of a Set is replaced every hundred or so requests, which moved
   * them into the garbage collector's old generation (a fifth of all CPU, measured).
   */
  private readonly underWay: UnderWay[] = []
  /** Those that are copies; null = there was none yet. */
  private copies: Set<UnderWay> | null = null
  private readonly events: TargetEvents
  /** Accepts no new requests: not open, in a pool without a share, or removed from the table. */
  private closed = true
  /** Deadline from the table; undefined = the table does not name this target. */
  private cutAt: number | null | undefined = null
  private cutTimer: LongTimer | null = null
  private cutCount = 0

  constructor(key: string, name: string, settings: ConnectionSettings, events: TargetEvents) {
    this.key = key
    this.name = name
    this.url = settings.address.url
    this.events = events
    this.connections = new Connections(settings)
  }

  begin(request: UnderWay): void {
    if (!this.hasRoom()) this.displaceCopy()
    this.inFlight++
    request.slot = this.underWay.push(request) - 1
  }

  end(request: UnderWay): void {
    const { slot } = request
    if (this.underWay[slot] !== request) return
    const last = this.underWay.pop() as UnderWay
    if (last !== request) {
      this.underWay[slot] = last
      last.slot = slot
    }
    request.slot = -1
    this.inFlight--
    if (this.inFlight === 0 && this.closed) this.becomeIdle()
    this.queue?.pump()
  }

  /** Puts `after` in the place of `before`: the request has become a tunnel. */
  replace(before: UnderWay, after: UnderWay): void {
    if (this.underWay[before.slot] !== before) return
    this.underWay[before.slot] = after
    after.slot = before.slot
    before.slot = -1
  }

  /** Counts the copy of a request. There must be room for it. */
  beginCopy(copy: UnderWay): void {
    this.begin(copy)
    this.copies ??= new Set()
    this.copies.add(copy)
  }

  endCopy(copy: UnderWay): void {
    this.copies?.delete(copy)
    this.end(copy)
  }

  /** Whether it has reached its limit. Copies do not count: they give way to requests. */
  isFull(): boolean {
    return this.maxConnections > 0 && this.inFlight - (this.copies?.size ?? 0) >= this.maxConnections
  }

  /** Whether there is room beside everything in flight. */
  hasRoom(): boolean {
    return this.maxConnections === 0 || this.inFlight < this.maxConnections
  }

  refused(now: number): void {
    this.avoidUntil = now + AVOID_MS
  }

  isClosed(): boolean {
    return this.closed
  }

  /** Accepts new requests again; `standby`: because of a fuse. */
  reopen(standby = false): void {
    this.closed = false
    this.isStandby = standby
    this.cutCount = 0
    this.setDeadline(null, 0)
  }

  /**
   * Accepts no new requests; cuts requests in flight at `cutAt` (null = never). Both times are of the store's clock;
   * the difference is counted by the monotonic clock, so that later changes of either clock do not matter.
   */
  close(cutAt: number | null, nowMs: number): void {
    this.closed = true
    this.isStandby = false
    this.setDeadline(cutAt, nowMs)
    if (this.inFlight === 0) this.connections.closeIdle()
  }

  /** Marks the target as removed from the table; cuts requests still in flight after `leaveMs`. */
  leave(): void {
    this.isLeaving = true
    this.closed = true
    this.isStandby = false
    this.cutAt = undefined
    this.startTimer(this.leaveMs === 0 ? null : this.leaveMs)
    if (this.inFlight === 0) this.connections.closeIdle()
  }

  private displaceCopy(): void {
    for (const copy of this.copies ?? []) if (copy.cut('connection_limit_reached')) return
  }

  private setDeadline(cutAt: number | null, nowMs: number): void {
    if (cutAt === this.cutAt) return
    this.cutAt = cutAt
    this.startTimer(cutAt === null ? null : cutAt - nowMs)
  }

  private startTimer(leftMs: number | null): void {
    this.cutTimer?.cancel()
    this.cutTimer = leftMs === null ? null : new LongTimer(leftMs, () => this.cut()).unref()
  }

  private cut(): void {
    this.cutTimer = null
    for (const request of [...this.underWay]) {
      // Count first: the target may become idle before `cut` returns.
      this.cutCount++
      if (!request.cut()) this.cutCount--
    }
  }

  private becomeIdle(): void {
    const cut = this.cutCount
    this.cutCount = 0
    this.connections.closeIdle()
    this.events.onIdle(this, cut)
  }
}
