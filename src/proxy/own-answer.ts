import type { ErrorCode } from './errors.ts'
import { statusOf } from './errors.ts'

/** An answer of our own: short, plain, and without anything from inside. */
export interface OwnAnswer {
  readonly status: number
  readonly code: ErrorCode
  readonly body: string
  /** Name and value in turn. */
  readonly fields: string[]
}

const TEXTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  destination_not_found: 'No service for this host and path.',
  destination_unavailable: 'No server is available.',
  connection_limit_reached: 'All servers are busy.',
  http_response_timeout: 'The server took too long.',
  connection_timeout: 'The server could not be reached in time.',
  connection_refused: 'The server could not be reached.',
  proxy_resources_exhausted: 'No connection to a server can be opened at the moment.',
  drain_timeout: 'The server was taken out of service before it answered.',
  http_request_error: 'The request cannot be forwarded.',
}

/** The answer for a failure before any byte of a response. */
export function failure(code: ErrorCode, requestId: string): OwnAnswer {
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
