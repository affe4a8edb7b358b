import type { Health } from '../../model/state.ts'
import { LongTimer } from '../../time/long-timer.ts'
import type { Queue } from '../routing/queue.ts'
import type { ConnectionSettings } from './connections.ts'
import { Connections } from './connections.ts'

/** A request or tunnel that can be ended by force. */
export interface UnderWay {
  /** Where the target keeps it; -1 = not there. */
  slot: number
  /** Ends at the deadline of a drain. Returns false when it may go on all the same. */
  cut(): boolean
}

export interface TargetEvents {
  /** The last request at a closed target has ended; `cut` of them at the deadline. */
  onIdle(target: Target, cut: number): void
}

/** How long a server that has just refused a connection is passed over while others can be had. */
const AVOID_MS = 1_000

/** One server: its connections and what is under way there. Lives as long as the table names it, or it has requests. */
export class Target {
  readonly key: string
  readonly name: string
  readonly url: string
  readonly connections: Connections
  /** `trial`: ejected, but for the next request. */
  health: Health | 'trial' = 'unknown'
  /** Requests that have failed here since one was served. */
  failuresInRow = 0
  /** The table in force does not name it. */
  isLeaving = false
  inFlight = 0
  /** Requests and tunnels under way at most; 0 = unbounded. */
  maxConnections = 0
  /** Those that wait for a server of its pool. */
  queue: Queue | null = null
  /** Milliseconds on the monotonic clock; 0 = not avoided. */
  avoidUntil = 0
  /**
   * A list with swapped removal, and not a Set: a Set's table, outgrown every hundred or so requests, would drag those
   * in it through the garbage collector's old generation (a fifth of all CPU, measured).
   */
  private readonly underWay: UnderWay[] = []
  private readonly events: TargetEvents
  /** No request may come any more: not open, or in a pool without a share, or gone from the table. */
  private closed = true
  /** The deadline that the table names; undefined = the table does not name this target. */
  private cutAt: number | null | undefined = null
  private cutTimer: LongTimer | null = null
  private cutCount = 0

  constructor(key: string, name: string, url: string, settings: ConnectionSettings, events: TargetEvents) {
    this.key = key
    this.name = name
    this.url = url
    this.events = events
    this.connections = new Connections(url, settings)
  }

  begin(request: UnderWay): void {
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

  isFull(): boolean {
    return this.maxConnections > 0 && this.inFlight >= this.maxConnections
  }

  refused(now: number): void {
    this.avoidUntil = now + AVOID_MS
  }

  isClosed(): boolean {
    return this.closed
  }

  /** New requests may come. */
  reopen(): void {
    this.closed = false
    this.cutCount = 0
    this.setDeadline(null, 0)
  }

  /**
   * No new request comes from here on; what is under way at `cutAt` is cut (null = never). Both by the store's clock: it is
   * asked once, and from then on our monotonic clock counts, whatever becomes of either of them.
   */
  close(cutAt: number | null, nowMs: number): void {
    this.closed = true
    this.setDeadline(cutAt, nowMs)
    if (this.inFlight === 0) this.connections.closeIdle()
  }

  /** The table in force does not name it any more; what is under way in `leaveMs` is cut (0 = never). */
  leave(leaveMs: number): void {
    this.isLeaving = true
    this.closed = true
    this.cutAt = undefined
    this.startTimer(leaveMs === 0 ? null : leaveMs)
    if (this.inFlight === 0) this.connections.closeIdle()
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
      // Counted first: the last one may be gone, and the target idle, before its cut returns.
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
