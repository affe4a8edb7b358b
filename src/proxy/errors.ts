import type { CallFailure } from '../http1/outbound-call.ts'
import { localFailure } from '../net/local-failure.ts'

/** Reason why an exchange failed: an error type of RFC 9209 §2.3. The same in logs, metrics and `Proxy-Status`. */
export type ErrorCode =
  | 'destination_not_found'
  | 'destination_unavailable'
  | 'connection_limit_reached'
  | 'dns_error'
  | 'connection_refused'
  | 'connection_timeout'
  | 'connection_terminated'
  | 'http_response_timeout'
  | 'http_protocol_error'
  | 'http_request_denied'
  | 'tls_protocol_error'
  | 'proxy_internal_error'
  /** Not in the RFC: this machine has no file descriptor, port or memory left for a connection. */
  | 'proxy_resources_exhausted'
  /** Not in the RFC: the server has refused the request before it did anything with it (HTTP/2). */
  | 'request_refused'
  /** Not in the RFC: a hook has thrown an error, taken too long or returned what it may not. */
  | 'hook_failed'
  /** Not in the RFC: the client went away. */
  | 'client_gone'
  /** Not in the RFC: a tunnel was idle for too long. */
  | 'tunnel_idle'
  /** Not in the RFC: the request or tunnel was cut at the deadline of a drain. */
  | 'drain_timeout'
  /** Not in the RFC: the request or tunnel was cut because this proxy is stopping. */
  | 'proxy_stopping'
  /** Not in the RFC: the service is paused, and was not resumed in time. */
  | 'service_paused'
  /** Not in the RFC: the service is paused, and no more requests can be held. */
  | 'held_limit_reached'
  /** Not in the RFC: the service is stopped. */
  | 'service_stopped'

/** Whether the upstream has received any part of a failed request. */
export type Sent = 'no' | 'maybe' | 'yes'

/** A failed try at a server. */
export class ProxyError extends Error {
  override name = 'ProxyError'
  readonly code: ErrorCode
  readonly sent: Sent

  constructor(code: ErrorCode, sent: Sent) {
    super(code)
    this.code = code
    this.sent = sent
  }
}

/** Status for the client if a failure comes before the first byte of the response. */
export function statusOf(code: ErrorCode): number {
  switch (code) {
    case 'destination_not_found':
      return 404
    case 'destination_unavailable':
    case 'connection_limit_reached':
    case 'request_refused':
    case 'proxy_resources_exhausted':
    case 'held_limit_reached':
    case 'service_stopped':
      return 503
    case 'http_response_timeout':
    case 'connection_timeout':
    case 'drain_timeout':
    case 'proxy_stopping':
    case 'service_paused':
      return 504
    case 'proxy_internal_error':
    case 'hook_failed':
      return 500
    case 'client_gone':
      return 499
    default:
      return 502
  }
}

/** Whether the server is responsible for a failure, rather than the client, a drain or this proxy. */
export function isServersFault(code: ErrorCode): boolean {
  switch (code) {
    case 'dns_error':
    case 'connection_refused':
    case 'connection_timeout':
    case 'connection_terminated':
    case 'http_response_timeout':
    case 'http_protocol_error':
    case 'tls_protocol_error':
      return true
    default:
      return false
  }
}

/** Whether the connection to the server failed, as happens while the server restarts. */
export function isConnectionFailure(code: ErrorCode): boolean {
  switch (code) {
    case 'dns_error':
    case 'connection_refused':
    case 'connection_timeout':
    case 'connection_terminated':
      return true
    default:
      return false
  }
}

const CONNECT_CODES: Readonly<Record<string, ErrorCode>> = {
  ECONNREFUSED: 'connection_refused',
  ENOTFOUND: 'dns_error',
  EAI_AGAIN: 'dns_error',
  EHOSTUNREACH: 'connection_refused',
  ENETUNREACH: 'connection_refused',
  ENOENT: 'connection_refused',
  EACCES: 'connection_refused',
  EAGAIN: 'connection_refused',
  ETIMEDOUT: 'connection_timeout',
}

/** Matches codes of OpenSSL and node:tls, including those for certificates that cannot be verified. */
const TLS_CODE = /^ERR_(?:TLS|SSL)|CERT|^UNABLE_TO_|^(?:INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|EPROTO)$/

/** Maps the failure of a call to a `ProxyError`. */
export function failureOf(failure: CallFailure): ProxyError {
  switch (failure.kind) {
    case 'connect':
      return classify(failure.error)
    case 'refused':
      return new ProxyError('request_refused', 'no')
    case 'closed':
      // With TLS 1.3, a server rejects the client certificate only after the handshake.
      return new ProxyError(
        TLS_CODE.test(codeOf(failure.error)) ? 'tls_protocol_error' : 'connection_terminated',
        'maybe',
      )
    case 'incomplete':
      return new ProxyError('connection_terminated', 'yes')
    case 'nonsense':
      return new ProxyError('http_protocol_error', 'maybe')
    case 'timeout':
      return new ProxyError('http_response_timeout', 'maybe')
    case 'crashed':
      return new ProxyError('proxy_internal_error', 'maybe')
  }
}

/** Maps an error of connecting to a `ProxyError`: no part of the request can have reached the server. */
export function classify(error: unknown): ProxyError {
  if (error instanceof ProxyError) return error
  const code = codeOf(error)
  if (TLS_CODE.test(code)) return new ProxyError('tls_protocol_error', 'no')
  if (localFailure(error) !== null) return new ProxyError('proxy_resources_exhausted', 'no')
  return new ProxyError(CONNECT_CODES[code] ?? 'connection_terminated', 'no')
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  if (typeof error.code !== 'string') return ''
  // With several addresses tried, the error lists one error for each; the first is enough.
  if (error instanceof AggregateError && error.code === '') return codeOf(error.errors[0])
  return error.code
}
