import type { IncomingMessage } from 'node:http'
import type { ClientConnection } from './client/client-connection.ts'
import { clientAddress } from './client/client-connection.ts'
import { guard, originForm } from './client/guard.ts'
import { RequestHead } from './client/request-head.ts'
import { newRequestId } from './client/request-id.ts'
import type { DataPlane } from './data-plane.ts'
import type { ErrorCode, ProxyError } from './errors.ts'
import { isServersFault, statusOf } from './errors.ts'
import type { PoolRoute } from './routing/pool-route.ts'
import type { Attempt } from './routing/retry.ts'
import { mayBeRepeated, mayRetry, mayRetryStatus } from './routing/retry.ts'
import type { ServiceRoute } from './routing/service-route.ts'
import type { Target } from './upstream/target.ts'

/** An answer of our own: short, plain, and without anything from inside. */
export interface OwnAnswer {
  readonly status: number
  readonly code: ErrorCode
  readonly body: string
  /** Name and value in turn. */
  readonly fields: string[]
}

/** What a request and an upgrade have in common: admission, a service, tries at its servers, and a line in the log. */
export abstract class Passage {
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
  private readonly startedAt = performance.now()
  private matched: ServiceRoute | null = null
  private pool: PoolRoute | null = null
  private tried: Target[] | null = null
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
    this.fields = head.forUpstream(this.connection, requestId, request.httpVersion, url.slice(0, prefix))
    return null
  }

  /** Takes a server for the next try. `again`: one that was tried before will do when there is no other. */
  protected takeTarget(again: boolean): Target | null {
    const now = performance.now()
    const { route } = this
    const before = this.pool ?? undefined
    const choice = route.choose(this.tried, now, before) ?? (again ? route.choose(null, now, before) : null)
    if (choice === null) return null
    if (this.attempts++ === 0) route.budget.earn()
    this.pool = choice.pool
    this.target = choice.target
    this.blamed = false
    this.onTrial = choice.target.health === 'trial'
    if (this.onTrial) this.plane.targets.beginTrial(choice.target)
    return choice.target
  }

  /** What this try says of its server. An answer may begin well and break off: that counts as a failure all the same. */
  protected judge(ok: boolean): void {
    const target = this.target as Target
    if (this.onTrial) {
      this.onTrial = false
      this.blamed = !ok
      this.plane.verdicts.tried(target, ok)
    } else if (this.blamed) return
    else if (!ok) {
      this.blamed = true
      this.plane.verdicts.failed(target)
    } else if (target.failuresInRow > 0) this.plane.verdicts.served(target)
  }

  /** The same for a try that has failed; null = it was ended, and says nothing. */
  protected judgeFailure(code: ErrorCode | null): void {
    if (code !== null && isServersFault(code)) this.judge(false)
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

  /** The server for another try after a failed one; null when there shall be none. */
  protected retryTarget(error: ProxyError, isWhole: boolean): Target | null {
    const target = this.target as Target
    if (error.code === 'connection_refused' || error.code === 'connection_timeout') target.refused(performance.now())
    if (!mayRetry(error, this.attempt(isWhole), this.route.table.retry)) return null
    const wasSent = error.sent !== 'no'
    // Sent again to the server that broke off, it may well be served; one that cannot be reached is not asked twice.
    return this.nextTarget(error.code, wasSent, wasSent)
  }

  /** The server that gets the request instead of this answer; null when the answer stands. */
  protected retryTargetFor(status: number, isWhole: boolean): Target | null {
    if (!mayRetryStatus(status, this.attempt(isWhole), this.route.table.retry)) return null
    return this.nextTarget(`status_${status}`, false, true)
  }

  private attempt(isWhole: boolean): Attempt {
    return { method: this.request.method as string, attempts: this.attempts, isWhole }
  }

  /** `again`: the same server will do where there is no other. `paid`: the retry is one of those that are budgeted. */
  private nextTarget(reason: string, again: boolean, paid: boolean): Target | null {
    this.tried ??= []
    this.tried.push(this.target as Target)
    // The table may have changed since the last try, and what it says now is what holds.
    const { name } = this.route.table
    this.matched = this.plane.routeOf(name) ?? this.matched
    if (paid && !this.route.budget.spend()) return null
    const next = this.takeTarget(again)
    if (next !== null) this.plane.counters.retried(name, reason)
    return next
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
      service: matched?.table.name ?? '',
      pool: pool?.name ?? '',
      version: pool?.version ?? '',
      server: this.target?.name ?? '',
      attempts: this.attempts,
      requestId: this.requestId,
      error,
    })
  }
}

const TEXTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  destination_not_found: 'No service for this host and path.',
  destination_unavailable: 'No server is available.',
  http_response_timeout: 'The server took too long.',
  connection_timeout: 'The server could not be reached in time.',
  connection_refused: 'The server could not be reached.',
  drain_timeout: 'The server was taken out of service before it answered.',
  http_request_error: 'The request cannot be forwarded.',
}

function failure(code: ErrorCode, requestId: string): OwnAnswer {
  return ownAnswer(statusOf(code), TEXTS[code] ?? 'The server did not answer properly.', code, requestId)
}

/** An answer of our own, by status and text. */
export function ownAnswer(status: number, text: string, code: ErrorCode, requestId: string): OwnAnswer {
  const body = `${status} ${text}\n`
  const fields = ['content-type', 'text/plain; charset=utf-8', 'content-length', String(body.length)]
  fields.push('x-request-id', requestId, 'proxy-status', `cutover; error=${code}`)
  if (status === 503) fields.push('retry-after', '1')
  if (status === 405) fields.push('allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS')
  return { status, code, body, fields }
}

/** The target with its first `length` characters gone, still beginning with a slash. */
function withoutPrefix(target: string, length: number): string {
  const rest = target.slice(length)
  return rest.charCodeAt(0) === 47 ? rest : `/${rest}`
}
