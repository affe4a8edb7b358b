import type { IncomingMessage } from 'node:http'
import { clientAddress } from './client/client-address.ts'
import type { ClientConnection } from './client/client-connection.ts'
import { guard, originForm } from './client/guard.ts'
import { RequestHead } from './client/request-head.ts'
import { newRequestId } from './client/request-id.ts'
import { traceIdOf } from './client/trace-context.ts'
import type { DataPlane } from './data-plane.ts'
import type { ErrorCode, ProxyError } from './errors.ts'
import { isConnectionFailure, isServersFault } from './errors.ts'
import type { OwnAnswer } from './own-answer.ts'
import { failure, ownAnswer } from './own-answer.ts'
import type { PoolRoute } from './routing/pool-route.ts'
import type { Queue, QueuedRequest } from './routing/queue.ts'
import type { Attempt } from './routing/retry.ts'
import { mayBeRepeated, mayRetry, mayRetryStatus } from './routing/retry.ts'
import type { Choice, ServiceRoute } from './routing/service-route.ts'
import type { Target } from './upstream/target.ts'

/**
 * Base of `Exchange` and `Tunnel`, the parts that a request and an upgrade have in common: admission, routing to a
 * service, tries at its servers, queueing, and the line in the access log.
 */
export abstract class Passage implements QueuedRequest {
  protected readonly plane: DataPlane
  protected readonly request: IncomingMessage
  protected readonly connection: ClientConnection
  protected readonly head: RequestHead
  protected readonly requestId: string
  slot = -1
  protected path = ''
  protected fields: string[] = []
  protected target: Target | null = null
  protected attempts = 0
  // Times are milliseconds on the monotonic clock; 0 = not yet.
  private readonly startedAt = performance.now()
  private triedAt = 0
  protected connectedAt = 0
  protected answeredAt = 0
  private queuedAt = 0
  private queuedMs = 0
  private queue: Queue | null = null
  private queueTimer: NodeJS.Timeout | null = null
  private matched: ServiceRoute | null = null
  private pool: PoolRoute | null = null
  private tried: Target[] | null = null
  /** Reason for which the last try failed. */
  private retryReason = ''
  /** Whether a server that was tried before may be chosen again if there is no other. */
  private mayRetrySameServer = false
  /** Whether this try is the trial of an ejected server, and its outcome is not reported yet. */
  protected onTrial = false
  /** Whether this try has been reported as a failure of its server. */
  private failureReported = false

  constructor(plane: DataPlane, request: IncomingMessage, connection: ClientConnection) {
    this.plane = plane
    this.request = request
    this.connection = connection
    this.head = new RequestHead(request.rawHeaders)
    this.requestId = this.head.trustedRequestId(connection.trusted) || newRequestId()
  }

  /** Sends the request to the chosen server. */
  protected abstract send(target: Target): void
  protected abstract answer(own: OwnAnswer): void
  /** Closes the client's connection after an internal error. */
  protected abstract hangUp(): void

  /** The matched service. Throws before `admit` has found one. */
  protected get route(): ServiceRoute {
    if (this.matched === null) throw new Error('no service yet')
    return this.matched
  }

  /**
   * Checks the request, finds its service and builds the upstream header. Returns a response to send instead, or null.
   */
  protected admit(): OwnAnswer | null {
    const { request, head, plane, requestId } = this
    const url = originForm(request.url as string, head)
    const refusal = guard(request, url, head, plane.settings.limits)
    if (refusal !== null) return ownAnswer(refusal.status, refusal.text, 'http_request_denied', requestId)
    const match = plane.router.match(head.host, url)
    if (match === null) return failure('destination_not_found', requestId)
    this.matched = match.route
    const prefix = match.route.table.stripPrefix ? match.prefixLength : 0
    this.path = prefix === 0 ? url : withoutPrefix(url, prefix)
    const { forwarding } = plane.settings
    this.fields = head.forUpstream(this.connection, requestId, request.httpVersion, url.slice(0, prefix), forwarding)
    return null
  }

  /** Sends the request to a server, or queues it if the servers of its pool have reached their limits. */
  protected seekServer(): void {
    const choice = this.choose()
    if (choice === null) this.answer(this.failure('destination_unavailable'))
    else if (choice.target === null || choice.pool.queue.length > 0) this.waitInQueue(choice.pool)
    else this.sendTo(choice.pool, choice.target)
  }

  /** Retries after a failed try, at once or queued until a server has room. Returns false if no retry is possible. */
  protected tryAgain(error: ProxyError, isWhole: boolean): boolean {
    const target = this.target as Target
    if (error.code === 'connection_refused' || error.code === 'connection_timeout') target.refused(performance.now())
    if (!mayRetry(error, this.attempt(isWhole), this.route.table.retry)) return false
    const wasSent = error.sent !== 'no'
    // A server that broke off may well serve the repeated request; a server that could not be reached is not tried
    // twice.
    const choice = this.chooseNext(error.code, wasSent, wasSent)
    if (choice === null) return false
    if (choice.target !== null) this.sendTo(choice.pool, choice.target)
    else if (this.route.table.timeouts.queueMs > 0) this.waitInQueue(choice.pool, true)
    else return false
    return true
  }

  /** Chooses a server for a retry after a response with this status; null = the response goes to the client. */
  protected chooseInsteadOf(status: number, isWhole: boolean): Choice | null {
    if (!mayRetryStatus(status, this.attempt(isWhole), this.route.table.retry)) return null
    return this.chooseNext(`status_${status}`, false, true)
  }

  /** Starts a try at a server of a pool. */
  protected sendTo(pool: PoolRoute, target: Target): void {
    if (this.attempts++ === 0) this.route.budget.earn()
    else this.plane.counters.retried(this.route.table.name, this.retryReason)
    this.pool = pool
    this.target = target
    this.failureReported = false
    this.onTrial = target.health === 'trial'
    if (this.onTrial) this.plane.targets.beginTrial(target)
    this.triedAt = performance.now()
    this.connectedAt = 0
    this.send(target)
  }

  /** Chooses a server. `same`: one that was tried before may be chosen if there is no other. */
  private choose(same = false): Choice | null {
    const now = performance.now()
    const { route } = this
    const before = this.pool ?? undefined
    return route.choose(this.tried, now, before) ?? (same ? route.choose(null, now, before) : null)
  }

  /** Chooses a server for a retry. `paid`: the retry is charged to the retry budget. */
  private chooseNext(reason: string, same: boolean, paid: boolean): Choice | null {
    this.tried ??= []
    this.tried.push(this.target as Target)
    this.retryReason = reason
    this.mayRetrySameServer = same
    this.updateRoute()
    if (paid && !this.route.budget.spend()) return null
    return this.choose(same)
  }

  /** Switches to the service of the table in force, which may have changed since the last try. */
  private updateRoute(): void {
    const { plane, route, head, request } = this
    const same = plane.routeOf(route.table.name)
    if (same !== undefined) this.matched = same
    else {
      // The service was removed or renamed. Not with `stripPrefix`, since the upstream path was built for the old
      // service.
      const other = plane.router.match(head.host, originForm(request.url as string, head))?.route
      if (other !== undefined && !other.table.stripPrefix && !route.table.stripPrefix) this.matched = other
    }
  }

  /** Queues the request for up to `timeouts.queue`. `first`: at the front of the queue. */
  private waitInQueue(pool: PoolRoute, first = false): void {
    const waitMs = this.route.table.timeouts.queueMs - this.queuedMs
    this.pool = pool
    if (waitMs <= 0) {
      this.answer(this.failure('connection_limit_reached'))
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

  advance(): boolean {
    this.updateRoute()
    const choice = this.choose(this.mayRetrySameServer)
    if (choice !== null && choice.target === null) {
      if (choice.pool.queue === this.queue) return false
      this.queue?.leave(this)
      this.enterQueue(choice.pool)
      return true
    }
    this.leaveQueue()
    try {
      if (choice === null) this.answer(this.failure('destination_unavailable'))
      else this.sendTo(choice.pool, choice.target as Target)
    } catch {
      // An error in the handling of one request must not affect others.
      this.hangUp()
    }
    return true
  }

  /** Leaves the queue, if it is queued. */
  protected leaveQueue(): void {
    if (this.queue === null) return
    this.queue.leave(this)
    this.queue = null
    if (this.queueTimer !== null) clearTimeout(this.queueTimer)
    this.queuedMs += performance.now() - this.queuedAt
  }

  handleQueueTimeout(): void {
    this.leaveQueue()
    this.answer(this.failure('connection_limit_reached'))
  }

  /**
   * Records the outcome of this try for its server. A response that begins well and then breaks off still counts as a
   * failure. `unreachable`: the connection failed.
   */
  protected judge(ok: boolean, unreachable = false): void {
    const target = this.target as Target
    if (this.onTrial) {
      this.onTrial = false
      this.failureReported = !ok
      this.plane.verdicts.tried(target, ok ? 'ok' : unreachable ? 'unreachable' : 'failed')
    } else if (this.failureReported) return
    else if (!ok) {
      this.failureReported = true
      this.plane.verdicts.failed(target, unreachable)
    } else if (target.failuresInRow > 0) this.plane.verdicts.served(target)
  }

  /** Records a failed try for its server. null = the try was aborted, which says nothing about the server. */
  protected judgeFailure(code: ErrorCode | null): void {
    if (code !== null && isServersFault(code)) this.judge(false, isConnectionFailure(code))
    else if (this.onTrial) {
      this.onTrial = false
      this.plane.targets.returnTrial(this.target as Target)
    }
  }

  /** Whether a retry is possible after this try even if the server may have received the request. */
  protected mayRepeat(isWhole: boolean): boolean {
    const { retry } = this.route.table
    return isWhole && this.attempts < retry.attempts && retry.on.includes('reset') && this.isRepeatable
  }

  /** Whether the method allows sending the request twice. */
  protected get isRepeatable(): boolean {
    return mayBeRepeated(this.request.method as string, this.route.table.retry)
  }

  private attempt(isWhole: boolean): Attempt {
    return { method: this.request.method as string, attempts: this.attempts, isWhole }
  }

  protected failure(code: ErrorCode): OwnAnswer {
    return failure(code, this.requestId)
  }

  /** Counts and logs the request; `bytes`: body bytes sent to the client. */
  protected record(status: number, bytes: number, error: ErrorCode | ''): void {
    const { plane, matched, pool, request, head, connection } = this
    const durationMs = performance.now() - this.startedAt
    const series = pool?.series ?? matched?.unrouted ?? plane.unrouted
    series.observe(status, durationMs / 1000)
    plane.accessLog?.log({
      atMs: Date.now(),
      client: clientAddress(connection, head.forwardedFor, plane.trustedProxies),
      method: request.method as string,
      host: head.host,
      target: request.url as string,
      status,
      bytes,
      durationMs,
      queueMs: this.queuedMs,
      connectMs: this.connectedAt === 0 ? null : this.connectedAt - this.triedAt,
      firstByteMs: this.answeredAt === 0 ? null : this.answeredAt - this.startedAt,
      service: matched?.table.name ?? '',
      pool: pool?.name ?? '',
      version: pool?.version ?? '',
      server: this.target?.name ?? '',
      attempts: this.attempts,
      requestId: this.requestId,
      traceId: matched === null ? '' : traceIdOf(head.traceparent),
      error,
    })
  }
}

function onQueueTimeout(passage: Passage): void {
  passage.handleQueueTimeout()
}

/** Removes the first `length` characters of a target; the result still begins with a slash. */
function withoutPrefix(target: string, length: number): string {
  const rest = target.slice(length)
  return rest.charCodeAt(0) === 47 ? rest : `/${rest}`
}
