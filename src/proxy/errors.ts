import { localFailure } from '../network/local-failure.ts'

/** Why an exchange failed, in the words of RFC 9209 §2.3; the same in logs, metrics and `Proxy-Status`. */
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
  /** Not in the RFC: this machine has no descriptor, port or memory left for a connection. */
  | 'proxy_resources_exhausted'
  /** Not in the RFC: the client went away. */
  | 'client_gone'
  /** Not in the RFC: no byte has passed through a tunnel for too long. */
  | 'tunnel_idle'
  /** Not in the RFC: cut at the deadline of a drain. */
  | 'drain_timeout'

/** What the upstream may have seen of a request when it failed. */
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

/** The status a client gets for a failure before any response byte. */
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

/** Whether the server answers for a failure, and not the client, a drain or we ourselves. */
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

/** Whether the connection to the server failed, as it does while the server is restarted. */
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

/** Codes of OpenSSL and of node:tls, those of certificates that cannot be verified included. */
const TLS_CODE = /^ERR_(?:TLS|SSL)|CERT|^UNABLE_TO_|^(?:INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|EPROTO)$/

/**
 * What an error of the upstream connection means. `started`: the request may have been written to a connection;
 * before that nothing of it can have reached the server.
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
      // With TLS 1.3, a server refuses our certificate only when the connection stands.
      if (TLS_CODE.test(code)) return new ProxyError('tls_protocol_error', 'maybe')
      if (isBadResponse(error)) return new ProxyError('http_protocol_error', 'maybe')
      return new ProxyError('connection_terminated', 'maybe')
  }
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  if (typeof error.code !== 'string') return ''
  // Happy eyeballs report every address; the first tells enough.
  if (error instanceof AggregateError && error.code === '') return codeOf(error.errors[0])
  return error.code
}

/**
 * undici's parser errors mostly have no code; the end of the connection in the middle of a message is among them. An
 * unasked 101 or 100 is a socket error with one of these texts.
 */
function isBadResponse(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error.name === 'HTTPParserError') return !error.message.includes('Invalid EOF state')
  return error.message === 'bad upgrade' || error.message === 'bad response'
}
