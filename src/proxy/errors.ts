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
  | 'http_response_incomplete'
  | 'http_protocol_error'
  | 'http_request_error'
  | 'http_request_denied'
  | 'tls_protocol_error'
  | 'proxy_internal_error'
  /** Not in the RFC: this machine has no file descriptor, port or memory left for a connection. */
  | 'proxy_resources_exhausted'
  /** Not in the RFC: the client went away. */
  | 'client_gone'
  /** Not in the RFC: a tunnel was idle for too long. */
  | 'tunnel_idle'
  /** Not in the RFC: the request or tunnel was cut at the deadline of a drain. */
  | 'drain_timeout'
  /** Not in the RFC: the request or tunnel was cut because this proxy is stopping. */
  | 'proxy_stopping'

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
    case 'proxy_resources_exhausted':
      return 503
    case 'http_response_timeout':
    case 'connection_timeout':
    case 'drain_timeout':
    case 'proxy_stopping':
      return 504
    case 'http_request_error':
      return 400
    case 'proxy_internal_error':
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
    case 'http_response_incomplete':
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
  ETIMEDOUT: 'connection_timeout',
  UND_ERR_CONNECT_TIMEOUT: 'connection_timeout',
}

/** Matches codes of OpenSSL and node:tls, including those for certificates that cannot be verified. */
const TLS_CODE = /^ERR_(?:TLS|SSL)|CERT|^UNABLE_TO_|^(?:INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|EPROTO)$/

/**
 * Maps an error of the upstream connection to a `ProxyError`. `started`: the request may have been written to a
 * connection; before that, no part of it can have reached the server.
 */
export function classify(error: unknown, started: boolean): ProxyError {
  if (error instanceof ProxyError) return error
  const code = codeOf(error)
  if (!started) {
    if (TLS_CODE.test(code)) return new ProxyError('tls_protocol_error', 'no')
    if (localFailure(error) !== null) return new ProxyError('proxy_resources_exhausted', 'no')
    if (code === 'UND_ERR_INVALID_ARG') return new ProxyError('http_request_error', 'no')
    return new ProxyError(CONNECT_CODES[code] ?? 'connection_terminated', 'no')
  }
  switch (code) {
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return new ProxyError('http_response_timeout', 'maybe')
    case 'UND_ERR_HEADERS_OVERFLOW':
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return new ProxyError('http_protocol_error', 'maybe')
    case 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH':
      return new ProxyError('http_request_error', 'maybe')
    default:
      // With TLS 1.3, a server rejects the client certificate only after the handshake.
      if (TLS_CODE.test(code)) return new ProxyError('tls_protocol_error', 'maybe')
      if (isBadResponse(error)) return new ProxyError('http_protocol_error', 'maybe')
      return new ProxyError('connection_terminated', 'maybe')
  }
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  if (typeof error.code !== 'string') return ''
  // With several addresses tried, the error lists one error for each; the first is enough.
  if (error instanceof AggregateError && error.code === '') return codeOf(error.errors[0])
  return error.code
}

/**
 * Whether an error of undici means a malformed response. Its parser errors mostly have no code, and include the end of
 * the connection in the middle of a message ("Invalid EOF state"). An unrequested 101 or 100 is a socket error with one
 * of the texts below.
 */
function isBadResponse(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error.name === 'HTTPParserError') return !error.message.includes('Invalid EOF state')
  return error.message === 'bad upgrade' || error.message === 'bad response'
}
