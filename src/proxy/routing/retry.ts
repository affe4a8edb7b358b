import type { RetryCause, ServiceSpec } from '../../model/spec.ts'
import type { ErrorCode, ProxyError } from '../errors.ts'

/** State of a request after a failed try. */
export interface Attempt {
  readonly method: string
  /** Number of tries so far, including the failed one. */
  readonly attempts: number
  /** Whether the request can be sent again unchanged: it has no body, or everything read of its body was kept. */
  readonly isWhole: boolean
}

type RetryPolicy = ServiceSpec['retry']

/** Errors before the first byte of a response, with their names in a retry policy. */
const CAUSES: Readonly<Partial<Record<ErrorCode, RetryCause>>> = {
  connection_terminated: 'reset',
  http_response_timeout: 'timeout',
  http_protocol_error: 'invalid',
}

/**
 * Whether a failed request may be sent again. A request that was certainly not sent may go to another server with any
 * method, if its body is still complete. A request that the server may have executed is repeated only if its method
 * allows it. Source: RFC 9110 §9.2.2, SPEC §5.3.
 */
export function mayRetry(error: ProxyError, attempt: Attempt, policy: RetryPolicy): boolean {
  if (attempt.attempts >= policy.attempts || !attempt.isWhole) return false
  if (error.sent === 'no') return policy.on.includes('connect') && isConnectFailure(error)
  const cause = CAUSES[error.code]
  return cause !== undefined && policy.on.includes(cause) && policy.methods.includes(attempt.method)
}

/** Whether a response with this status may be discarded for another try. */
export function mayRetryStatus(status: number, attempt: Attempt, policy: RetryPolicy): boolean {
  return (
    policy.statuses.includes(status) &&
    attempt.attempts < policy.attempts &&
    attempt.isWhole &&
    policy.methods.includes(attempt.method)
  )
}

/** Whether a request could be repeated after a part of it was sent, so that its body must be kept. */
export function mayBeRepeated(method: string, policy: RetryPolicy): boolean {
  if (policy.attempts < 2 || !policy.methods.includes(method)) return false
  return policy.statuses.length > 0 || policy.on.some((cause) => cause !== 'connect')
}

function isConnectFailure(error: ProxyError): boolean {
  return (
    error.code === 'connection_refused' ||
    error.code === 'connection_timeout' ||
    error.code === 'connection_terminated' ||
    error.code === 'dns_error' ||
    error.code === 'request_refused' ||
    // Another server may have an idle connection.
    error.code === 'proxy_resources_exhausted'
  )
}
