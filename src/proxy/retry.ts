import type { ServiceSpec } from '../model/spec.ts'
import type { ProxyError } from './errors.ts'

/** What is known of a request when a try at a server has failed. */
export interface Attempt {
  readonly method: string
  /** Tries so far, the failed one included. */
  readonly attempts: number
  readonly hasBody: boolean
  /** Some of the request body has been taken from the client. */
  readonly bodyTouched: boolean
}

/**
 * Whether a failed request may be sent again. What was certainly not sent may go elsewhere whatever the method, as long
 * as its body is whole; what may have been executed only where the method allows it and no body was used up.
 * Source: RFC 9110 §9.2.2, SPEC §5.3.
 */
export function mayRetry(error: ProxyError, attempt: Attempt, policy: ServiceSpec['retry']): boolean {
  if (attempt.attempts >= policy.attempts || attempt.bodyTouched) return false
  if (error.sent === 'no') return policy.on.includes('connect') && isConnectFailure(error)
  if (error.code !== 'connection_terminated') return false
  return policy.on.includes('reset') && !attempt.hasBody && policy.methods.includes(attempt.method)
}

function isConnectFailure(error: ProxyError): boolean {
  return (
    error.code === 'connection_refused' ||
    error.code === 'connection_timeout' ||
    error.code === 'connection_terminated' ||
    error.code === 'dns_error'
  )
}
