import type { RetryCause, ServiceSpec } from '../../model/spec.ts'
import type { ErrorCode, ProxyError } from '../errors.ts'

/** What is known of a request when a try at a server has failed. */
export interface Attempt {
  readonly method: string
  /** Tries so far, the failed one included. */
  readonly attempts: number
  /** The request can be sent again as it was: it has no body, or all that was taken of it has been kept. */
  readonly isWhole: boolean
}

type Policy = ServiceSpec['retry']

/** What may go wrong before the first byte of an answer, and under which cause a policy names it. */
const CAUSES: Readonly<Partial<Record<ErrorCode, RetryCause>>> = {
  connection_terminated: 'reset',
  http_response_timeout: 'timeout',
  http_protocol_error: 'invalid',
}

/**
 * Whether a failed request may be sent again. What was certainly not sent may go elsewhere whatever the method, as long
 * as its body is whole; what may have been executed only where the method allows it. Source: RFC 9110 §9.2.2, SPEC §5.3.
 */
export function mayRetry(error: ProxyError, attempt: Attempt, policy: Policy): boolean {
  if (attempt.attempts >= policy.attempts || !attempt.isWhole) return false
  if (error.sent === 'no') return policy.on.includes('connect') && isConnectFailure(error)
  const cause = CAUSES[error.code]
  return cause !== undefined && policy.on.includes(cause) && policy.methods.includes(attempt.method)
}

/** Whether an answer may be given up for another try. */
export function mayRetryStatus(status: number, attempt: Attempt, policy: Policy): boolean {
  return (
    policy.statuses.includes(status) &&
    attempt.attempts < policy.attempts &&
    attempt.isWhole &&
    policy.methods.includes(attempt.method)
  )
}

/** Whether a request is one that could be sent again after something of it was sent, so that its body is worth keeping. */
export function mayBeRepeated(method: string, policy: Policy): boolean {
  if (policy.attempts < 2 || !policy.methods.includes(method)) return false
  return policy.statuses.length > 0 || policy.on.some((cause) => cause !== 'connect')
}

function isConnectFailure(error: ProxyError): boolean {
  return (
    error.code === 'connection_refused' ||
    error.code === 'connection_timeout' ||
    error.code === 'connection_terminated' ||
    error.code === 'dns_error' ||
    // Another server may have an idle connection.
    error.code === 'proxy_resources_exhausted'
  )
}
