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
import type { Queue, Waiting } from './routing/queue.ts'
import type { Attempt } from './routing/retry.ts'
import { mayBeRepeated, mayRetry, mayRetryStatus } from './routing/retry.ts'
import type { Choice, ServiceRoute } from './routing/service-route.ts'
import type { Target } from './upstream/target.ts'

/**
 * What a request and an upgrade have in common: admission, a service, tries at its servers, the wait for one of them,
 * and a line in the log.
 */
export abstract class Passage implements Waiting {
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
  /** What the last try was given up for. */
  private retryReason = ''
  /** One of the servers tried before will do where there is no other. */
  private sameWillDo = false
  /** This try is the one that an ejected server gets, and has not said yet how it does. */
  protected onTrial = false
  /** The server of this try has been blamed for it. */
  private blamed = false

  constructor(plane: DataPlane, request: IncomingMessage, connection: ClientConnection) {
    this.plane = plane
    this.request = request
    this.connection = connection
    this.head = new RequestHead(request.rawHeaders)
    this.requestId = this.head.trustedRequestId(connection.trusted) || newRequestId()
  }

  /** Sends the request to a server that has been taken for it. */
  protected abstract send(target: Target): void
  protected abstract answer(own: OwnAnswer): void
  /** Hangs up on the client, after something that must not happen. */
  protected abstract hangUp(): void

  /** The service that was found; only after `admit`. */
  protected get route(): ServiceRoute {
    if (this.matched === null) throw new Error('no service yet')
    return this.matched
  }

  /** Checks the request, finds its service and writes what goes upstream; returns what to answer instead, or null. */
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

  /** Sends the request to a server; where those of its pool have reached their limits, as soon as it is its turn. */
  protected seekServer(): void {
    const choice = this.choose()
    if (choice === null) this.answer(this.failure('destination_unavailable'))
    else if (choice.target === null || choice.pool.queue.length > 0) this.waitFor(choice.pool)
    else this.take(choice.pool, choice.target)
  }

  /** Tries again after a failed try, now or when a server has room; returns false when there is to be no other try. */
  protected tryAgain(error: ProxyError, isWhole: boolean): boolean {
    const target = this.target as Target
    if (error.code === 'connection_refused' || error.code === 'connection_timeout') target.refused(performance.now())
    if (!mayRetry(error, this.attempt(isWhole), this.route.table.retry)) return false
    const wasSent = error.sent !== 'no'
    // Sent again to the server that broke off, it may well be served; one that cannot be reached is not asked twice.
    const choice = this.chooseNext(error.code, wasSent, wasSent)
    if (choice === null) return false
    if (choice.target !== null) this.take(choice.pool, choice.target)
    else if (this.route.table.timeouts.queueMs > 0) this.waitFor(choice.pool, true)
    else return false
    return true
  }

  /** The server that gets the request instead of this answer; null when the answer stands. */
  protected serverInsteadOf(status: number, isWhole: boolean): Choice | null {
    if (!mayRetryStatus(status, this.attempt(isWhole), this.route.table.retry)) return null
    return this.chooseNext(`status_${status}`, false, true)
  }

  /** Has a server of a pool get the request. */
  protected take(pool: PoolRoute, target: Target): void {
    if (this.attempts++ === 0) this.route.budget.earn()
    else this.plane.counters.retried(this.route.table.name, this.retryReason)
    this.pool = pool
    this.target = target
    this.blamed = false
    this.onTrial = target.health === 'trial'
    if (this.onTrial) this.plane.targets.beginTrial(target)
    this.triedAt = performance.now()
    this.connectedAt = 0
    this.send(target)
  }

  /** `same`: a server that was tried before will do when there is no other. */
  private choose(same = false): Choice | null {
    const now = performance.now()
    const { route } = this
    const before = this.pool ?? undefined
    return route.choose(this.tried, now, before) ?? (same ? route.choose(null, now, before) : null)
  }

  /** `paid`: the retry is one of those that are budgeted. */
  private chooseNext(reason: string, same: boolean, paid: boolean): Choice | null {
    this.tried ??= []
    this.tried.push(this.target as Target)
    this.retryReason = reason
    this.sameWillDo = same
    this.followTable()
    if (paid && !this.route.budget.spend()) return null
    return this.choose(same)
  }

  /** The table may have changed since the last try, and what it says now is what holds. */
  private followTable(): void {
    const { plane, route, head, request } = this
    const same = plane.routeOf(route.table.name)
    if (same !== undefined) this.matched = same
    else {
      // The service has gone, or has another name now. What goes upstream was written for the path as it came.
      const other = plane.router.match(head.host, originForm(request.url as string, head))?.route
      if (other !== undefined && !other.table.stripPrefix && !route.table.stripPrefix) this.matched = other
    }
  }

  /** `first`: before those that came later. */
  private waitFor(pool: PoolRoute, first = false): void {
    const waitMs = this.route.table.timeouts.queueMs - this.queuedMs
    this.pool = pool
    if (waitMs <= 0) {
      this.answer(this.failure('connection_limit_reached'))
      return
    }
    this.queuedAt = performance.now()
    this.queueTimer = setTimeout(onQueueTimeout, waitMs, this)
    this.enter(pool, first)
  }

  private enter(pool: PoolRoute, first = false): void {
    this.pool = pool
    this.queue = pool.queue
    pool.queue.enter(this, first)
    pool.queue.pump()
  }

  advance(): boolean {
    this.followTable()
    const choice = this.choose(this.sameWillDo)
    if (choice !== null && choice.target === null) {
      if (choice.pool.queue === this.queue) return false
      this.queue?.leave(this)
      this.enter(choice.pool)
      return true
    }
    this.leaveQueue()
    try {
      if (choice === null) this.answer(this.failure('destination_unavailable'))
      else this.take(choice.pool, choice.target as Target)
    } catch {
      // One request that cannot be handled must not end the others.
      this.hangUp()
    }
    return true
  }

  /** Waits no more. */
  protected leaveQueue(): void {
    if (this.queue === null) return
    this.queue.leave(this)
    this.queue = null
    if (this.queueTimer !== null) clearTimeout(this.queueTimer)
    this.queuedMs += performance.now() - this.queuedAt
  }

  waitedTooLong(): void {
    this.leaveQueue()
    this.answer(this.failure('connection_limit_reached'))
  }

  /**
   * What this try says of its server. An answer may begin well and break off: that counts as a failure all the same.
   * `unreachable`: it failed because the connection did.
   */
  protected judge(ok: boolean, unreachable = false): void {
    const target = this.target as Target
    if (this.onTrial) {
      this.onTrial = false
      this.blamed = !ok
      this.plane.verdicts.tried(target, ok ? 'ok' : unreachable ? 'unreachable' : 'failed')
    } else if (this.blamed) return
    else if (!ok) {
      this.blamed = true
      this.plane.verdicts.failed(target, unreachable)
    } else if (target.failuresInRow > 0) this.plane.verdicts.served(target)
  }

  /** The same for a try that has failed; null = it was ended, and says nothing. */
  protected judgeFailure(code: ErrorCode | null): void {
    if (code !== null && isServersFault(code)) this.judge(false, isConnectionFailure(code))
    else if (this.onTrial) {
      this.onTrial = false
      this.plane.targets.returnTrial(this.target as Target)
    }
  }

  /** Whether this try may be followed by another one even if the server may have seen it. */
  protected mayRepeat(isWhole: boolean): boolean {
    const { retry } = this.route.table
    return isWhole && this.attempts < retry.attempts && retry.on.includes('reset') && this.isRepeatable
  }

  /** Whether the method allows that something of the request is sent twice. */
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
  passage.waitedTooLong()
}

/** The target with its first `length` characters gone, still beginning with a slash. */
function withoutPrefix(target: string, length: number): string {
  const rest = target.slice(length)
  return rest.charCodeAt(0) === 47 ? rest : `/${rest}`
}
