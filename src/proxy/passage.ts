import type { IncomingMessage } from 'node:http'
import type { ClientConnection } from './client-connection.ts'
import { clientAddress } from './client-connection.ts'
import type { DataPlane } from './data-plane.ts'
import type { ErrorCode, ProxyError } from './errors.ts'
import { statusOf } from './errors.ts'
import { guard } from './guard.ts'
import { RequestHead } from './headers.ts'
import { newRequestId } from './request-id.ts'
import { mayRetry } from './retry.ts'
import type { PoolRoute, ServiceRoute } from './service-route.ts'
import type { Target } from './target.ts'

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
    const refusal = guard(request, head, plane.settings.limits.urlBytes)
    if (refusal !== null) return ownAnswer(refusal.status, refusal.text, 'http_request_denied', requestId)
    const url = request.url as string
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
    const choice = this.route.choose(this.tried, now) ?? (again ? this.route.choose(null, now) : null)
    if (choice === null) return null
    this.attempts++
    this.pool = choice.pool
    this.target = choice.target
    return choice.target
  }

  /** Whether this try may be followed by another one even if the server may have seen it. */
  protected mayRepeat(hasBody: boolean): boolean {
    const { attempts, on, methods } = this.route.table.retry
    return (
      !hasBody && this.attempts < attempts && on.includes('reset') && methods.includes(this.request.method as string)
    )
  }

  /** The server for another try after a failed one; null when there shall be none. */
  protected retryTarget(error: ProxyError, hasBody: boolean, bodyTouched: boolean): Target | null {
    const target = this.target as Target
    if (error.code === 'connection_refused' || error.code === 'connection_timeout') target.refused(performance.now())
    const method = this.request.method as string
    const { name, retry } = this.route.table
    if (!mayRetry(error, { method, attempts: this.attempts, hasBody, bodyTouched }, retry)) return null
    this.tried ??= []
    this.tried.push(target)
    // The table may have changed since the last try, and what it says now is what holds.
    this.matched = this.plane.routeOf(name) ?? this.matched
    const next = this.takeTarget(error.sent !== 'no')
    if (next !== null) this.plane.counters.retried(name, error.code)
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

function ownAnswer(status: number, text: string, code: ErrorCode, requestId: string): OwnAnswer {
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
