import { fieldLines } from '../http1/head-text.ts'
import type { StoppedMode } from '../model/service-mode.ts'
import { dateLine } from './date.ts'
import type { ErrorCode } from './errors.ts'
import { statusOf } from './errors.ts'

/** A response that this proxy generates itself: short plain text without internal details, or what a hook has returned. */
export interface OwnAnswer {
  readonly status: number
  /** Empty = nothing went wrong. */
  readonly code: ErrorCode | ''
  /** Text in ASCII, or bytes. */
  readonly body: string | Buffer
  /** Field lines. */
  readonly lines: string
}

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'
const TEXTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  destination_not_found: 'No service for this host and path.',
  destination_unavailable: 'No server is available.',
  connection_limit_reached: 'All servers are busy.',
  request_refused: 'The server takes no more requests.',
  http_response_timeout: 'The server took too long.',
  connection_timeout: 'The server could not be reached in time.',
  connection_refused: 'The server could not be reached.',
  proxy_resources_exhausted: 'No connection to a server can be opened at the moment.',
  drain_timeout: 'The server was taken out of service before it answered.',
  proxy_stopping: 'The proxy was stopped before the server had answered.',
  service_paused: 'The service is paused, and was not resumed in time.',
  held_limit_reached: 'The service is paused, and no more requests can wait.',
  proxy_internal_error: 'The proxy failed.',
  hook_failed: 'The proxy failed.',
}

/** Response for a failure before the first byte of the server's response. */
export function failure(code: ErrorCode, requestId: string): OwnAnswer {
  return ownAnswer(statusOf(code), TEXTS[code] ?? 'The server did not answer properly.', code, requestId)
}

/** Response of a service that is stopped. */
export function stoppedAnswer({ status, message, retryAfterSeconds }: StoppedMode, requestId: string): OwnAnswer {
  return ownAnswer(status, message, 'service_stopped', requestId, retryAfterSeconds)
}

/** Response with a status and a text. `retryAfterSeconds`: null = no Retry-After. */
export function ownAnswer(
  status: number,
  text: string,
  code: ErrorCode,
  requestId: string,
  retryAfterSeconds = status === 503 ? 1 : null,
): OwnAnswer {
  const body = `${status} ${text}\n`
  const fields = ['content-type', 'text/plain; charset=utf-8', 'content-length', String(Buffer.byteLength(body))]
  fields.push('x-request-id', requestId, 'proxy-status', `cutover; error=${code}`)
  if (retryAfterSeconds !== null) fields.push('retry-after', String(retryAfterSeconds))
  if (status === 405) fields.push('allow', METHODS)
  return { status, code, body, lines: fieldLines(fields) + dateLine() }
}

/** Response to an OPTIONS request that may not be forwarded (RFC 9110 §7.6.2). */
export function ownOptions(requestId: string): OwnAnswer {
  const lines = fieldLines(['allow', METHODS, 'x-request-id', requestId]) + dateLine()
  return { status: 204, code: '', body: '', lines }
}
