import type { Fields } from '../../http1/fields.ts'
import type { StoppedMode } from '../../model/service-mode.ts'
import type { Row } from '../../telemetry/ticks/row.ts'
import type { ClientStream } from '../client/client-stream.ts'
import type { ProxyContext } from '../context.ts'
import type { ErrorCode, ProxyError } from '../errors.ts'
import type { Target } from '../upstream/target.ts'
import { Hold } from './hold.ts'
import type { PoolRoute } from './pool-route.ts'
import type { Queue, QueuedRequest } from './queue.ts'
import type { Attempt } from './retry.ts'
import { mayBeRepeated, mayRetry, mayRetryStatus } from './retry.ts'
import type { RoutedRequest } from './routed-request.ts'
import type { Choice, ServiceRoute } from './service-route.ts'
import { TryOutcome, type TryTrace } from './try-outcome.ts'

/** Chooses the pool of a request in place of the routes and the split, and looks at the request before. */
export interface PoolChooser {
  /** Whether the request may go on. */
  readonly isThrough: boolean
  /** Looks at the request, which goes on with `Tries.advance`, is answered, or fails. */
  begin(): void
  /** null = they decide; `failed` = the request fails. */
  poolFor(route: ServiceRoute): PoolRoute | null | 'failed'
}

/** Notes the tries of a request for its trace. */
interface TriesTrace extends TryTrace {
  begin(pool: PoolRoute, target: Target, at: number): void
}

/** A request that is tried at one or more servers. */
export interface Tried {
  readonly stream: Pick<ClientStream, 'method' | 'destroy'>
  /** Whether the request can be sent again unchanged. */
  readonly isWhole: boolean
  /** The request as policies see it. */
  readonly routed: RoutedRequest
  /** null = the routes and the split choose the pool. */
  readonly hooked: PoolChooser | null
  /** null = the request is not traced. */
  readonly trace: TriesTrace | null
  /** Sends the request to a server. */
  send(target: Target): void
  /** Gives up the current try, before the next one. */
  leaveTry(): void
  /** Answers the request of a service that is stopped. */
  answerStopped(mode: StoppedMode): void
  /** Ends the request without a server. */
  fail(code: ErrorCode): void
  /** Finds the service of the request in the table in force, if its own is gone; null = there is none. */
  otherRoute(): ServiceRoute | null
}

/** The tries of one request: which server gets it, the wait for one in a queue, and how each try went. */
export class Tries implements QueuedRequest {
  target: Target | null = null
  pool: PoolRoute | null = null
  /** Number of tries so far. */
  count = 0
  /** Reports how the current try went. */
  readonly outcome: TryOutcome
  /** null = the request was never held. */
  hold: Hold | null = null
  /** Time spent in queues, ms. */
  queuedMs = 0
  /** Begin of the current try, monotonic ms. */
  beganAt = 0
  /** Counts of the server of the last try; null = there was none. */
  private row: Row | null = null
  private readonly context: ProxyContext
  private readonly request: Tried
  private current: ServiceRoute
  private queuedAt = 0
  private queue: Queue | null = null
  private queueTimer: NodeJS.Timeout | null = null
  private tried: Target[] | null = null
  /** Reason for which the last try failed. */
  private retryReason = ''
  /** Whether a server that was tried before may be chosen again if there is no other. */
  private mayRetrySameServer = false
  /** Why there is no server for the request. */
  private noServer: ErrorCode = 'destination_unavailable'

  constructor(context: ProxyContext, request: Tried, route: ServiceRoute) {
    this.context = context
    this.request = request
    this.current = route
    this.outcome = new TryOutcome(context, request.trace)
  }

  /** The service of the request. */
  get route(): ServiceRoute {
    return this.current
  }

  /**
   * Sends the request to a server, or queues it if the servers of its pool have reached their limits. If the service is
   * paused, the request is held until it is resumed.
   */
  begin(): void {
    if (!this.obeyMode()) this.enter()
  }

  private enter(): void {
    const { hooked } = this.request
    if (hooked === null || hooked.isThrough) this.proceed()
    else hooked.begin()
  }

  private proceed(): void {
    const choice = this.choose(this.mayRetrySameServer)
    if (choice === null) this.request.fail(this.noServer)
    else if (choice.target === null || choice.pool.queue.length > 0) this.waitInQueue(choice.pool)
    else this.sendTo(choice.pool, choice.target)
  }

  /** Retries after a failed try, at once or queued until a server has room. Returns false if no retry is possible. */
  again(error: ProxyError): boolean {
    const target = this.target as Target
    if (error.code === 'connection_refused' || error.code === 'connection_timeout') target.refused(performance.now())
    if (!mayRetry(error, this.attempt, this.route.table.retry)) return false
    const wasSent = error.sent !== 'no'
    // A server that broke off may well serve the repeated request, and one that refused it serves it on another connection;
    // a server that could not be reached is not tried twice.
    const maySame = wasSent || error.code === 'request_refused'
    if (!this.prepareRetry(error.code, maySame, wasSent)) return false
    if (this.obeyMode()) return true
    const choice = this.choose(maySame)
    if (choice === null) return false
    if (choice.target !== null) this.sendTo(choice.pool, choice.target)
    else if (this.route.table.timeouts.queueMs > 0) this.waitInQueue(choice.pool, true)
    else return false
    return true
  }

  /**
   * Discards a response with this status and tries another server, if the policy allows that and one is available.
   * Returns false if the response goes to the client.
   */
  insteadOf(status: number): boolean {
    if (!mayRetryStatus(status, this.attempt, this.route.table.retry)) return false
    if (!this.prepareRetry(`status_${status}`, false, true)) return false
    const next = this.choose()
    if (next === null || next.target === null) return false
    this.request.leaveTry()
    this.sendTo(next.pool, next.target)
    return true
  }

  /** A response of the server has begun. `status`: as which it is judged. */
  answered(status: number, fields: Fields): void {
    this.outcome.answered(status)
    this.pool?.versions?.note(fields)
  }

  /** Starts a try at a server of a pool. */
  private sendTo(pool: PoolRoute, target: Target): void {
    if (this.count++ === 0) this.route.budget.earn()
    else this.countRetry()
    this.pool = pool
    this.target = target
    this.row = pool.rowOf(target)
    this.outcome.begin(target, this.row, pool.fuse)
    this.beganAt = this.outcome.beganAt
    this.request.trace?.begin(pool, target, this.beganAt)
    this.request.send(target)
  }

  private countRetry(): void {
    this.row?.retried()
    this.context.counters.tally('retries', this.route.table.name, this.retryReason).add()
  }

  /** Counts of where the request has got to: a server, a pool, or the service. */
  get counts(): Row {
    return this.row ?? this.pool?.rowOf(null) ?? this.route.unrouted
  }

  /** Ends the wait of the request, if it is queued or held. */
  stopWaiting(): void {
    this.hold?.end()
    this.leaveQueue()
  }

  private leaveQueue(): void {
    if (this.queue === null) return
    this.queue.leave(this)
    this.queue = null
    if (this.queueTimer !== null) clearTimeout(this.queueTimer)
    this.queuedMs += performance.now() - this.queuedAt
  }

  advance(): boolean {
    this.updateRoute()
    if (this.obeyMode()) return true
    if (this.queue === null) {
      this.hold?.end()
      this.tryTo(() => this.enter())
      return true
    }
    const choice = this.choose(this.mayRetrySameServer)
    if (choice !== null && choice.target === null) {
      if (choice.pool.queue === this.queue) return false
      this.queue?.leave(this)
      this.enterQueue(choice.pool)
      return true
    }
    this.leaveQueue()
    this.tryTo(() => {
      if (choice === null) this.request.fail(this.noServer)
      else this.sendTo(choice.pool, choice.target as Target)
    })
    return true
  }

  private tryTo(act: () => void): void {
    try {
      act()
    } catch {
      // An error in the handling of one request must not affect others.
      this.request.stream.destroy()
    }
  }

  handleQueueTimeout(): void {
    this.leaveQueue()
    this.request.fail('connection_limit_reached')
  }

  /** Whether a retry is possible after this try even if the server may have received the request. */
  mayRepeat(isWhole: boolean): boolean {
    const { retry } = this.route.table
    return isWhole && this.count < retry.attempts && retry.on.includes('reset') && this.isRepeatable
  }

  /** Whether the method allows sending the request twice. */
  get isRepeatable(): boolean {
    return mayBeRepeated(this.request.stream.method, this.route.table.retry)
  }

  /** Chooses a server. `same`: one that was tried before may be chosen if there is no other, apart from backups. */
  private choose(same = false): Choice | null {
    const now = performance.now()
    const { route } = this
    const before = this.pool ?? undefined
    const routed = route.looksAtRequests ? this.request.routed : null
    const chosen = this.request.hooked?.poolFor(route) ?? null
    this.noServer = chosen === 'failed' ? 'hook_failed' : 'destination_unavailable'
    if (chosen === 'failed') return null
    const next = route.choose(this.tried, now, before, routed, chosen)
    if (!same || (next !== null && !isStandIn(next))) return next
    return route.choose(null, now, before, routed, chosen) ?? next
  }

  /** Begins a retry. `paid`: it is charged to the retry budget; returns false if that does not allow it. */
  private prepareRetry(reason: string, same: boolean, paid: boolean): boolean {
    this.tried ??= []
    this.tried.push(this.target as Target)
    this.retryReason = reason
    this.mayRetrySameServer = same
    this.updateRoute()
    return !paid || this.route.budget.spend()
  }

  /**
   * Holds the request if its service is paused, or answers it if the service is stopped. Returns false if the service is
   * serving.
   */
  private obeyMode(): boolean {
    // A service that is gone has no mode any more.
    const mode = this.context.routeOf(this.route.table.name)?.table.mode
    if (mode === undefined) return false
    this.stopWaiting()
    if (mode.kind === 'stopped') this.request.answerStopped(mode)
    else {
      this.hold ??= new Hold(this, () => this.request.fail('service_paused'))
      if (!this.hold.begin(this.route.held, mode.forMs, mode.maxHeld)) this.request.fail('held_limit_reached')
    }
    return true
  }

  /** Switches to the service of the table in force, which may have changed since the last try. */
  private updateRoute(): void {
    const same = this.context.routeOf(this.route.table.name)
    // If the service was removed or renamed, another one may serve the request now.
    this.current = same ?? this.request.otherRoute() ?? this.current
  }

  /** Queues the request for up to `timeouts.queue`. `first`: at the front of the queue. */
  private waitInQueue(pool: PoolRoute, first = false): void {
    const waitMs = this.route.table.timeouts.queueMs - this.queuedMs
    this.pool = pool
    if (waitMs <= 0) {
      this.request.fail('connection_limit_reached')
      return
    }
    this.queuedAt = performance.now()
    this.queueTimer = setTimeout(onQueueTimeout, waitMs, this)
    this.enterQueue(pool, first)
  }

  private enterQueue(pool: PoolRoute, first = false): void {
    this.pool = pool
    this.queue = pool.queue
    pool.queue.enter(this, first)
    pool.queue.pump()
  }

  private get attempt(): Attempt {
    return { method: this.request.stream.method, attempts: this.count, isWhole: this.request.isWhole }
  }
}

function onQueueTimeout(tries: Tries): void {
  tries.handleQueueTimeout()
}

function isStandIn({ pool, target }: Choice): boolean {
  return target !== null && pool.standsIn(target)
}
