export interface ProbeResult {
  readonly ok: boolean
  /** Status code of the response; null = no response. */
  readonly status: number | null
  /** From the start of the probe to its verdict, in milliseconds with one decimal. */
  readonly ms: number
  /** Reason of the failure in a few stable words, for operators; null = passed. */
  readonly error: string | null
  /** The probe failed because this machine lacks a resource; it says nothing about the server. */
  readonly isLocal: boolean
  /** The version that the server reports of itself; absent = none. */
  readonly version?: string
  /** When the certificate of the server expires, ISO 8601; absent = the probe saw none. */
  readonly certificateExpiresAt?: string
}

/** What a probe has seen before its verdict. */
export type Seen = Partial<Pick<ProbeResult, 'status' | 'version' | 'certificateExpiresAt'>>

/** One probe under way. The first verdict counts. */
export interface Attempt {
  /** Notes what the result will show. */
  saw(seen: Seen): void
  /** Ends the probe; null = it has passed. */
  end(error: string | null): void
  /** Ends the probe by an error of the connection or of the protocol. */
  fail(error: unknown): void
}

/** Begins a probe. Returns what ends its connection. May throw. */
export type Begin<Spec> = (spec: Spec, attempt: Attempt) => () => void

const TEXTS: Readonly<Record<string, string>> = {
  ABORT_ERR: 'aborted',
  CERT_HAS_EXPIRED: 'the certificate has expired',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is signed by itself',
  EACCES: 'permission denied',
  EAGAIN: 'connection queue full',
  EAI_AGAIN: 'name lookup failed',
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ENOENT: 'socket file not found',
  ENOTFOUND: 'host name not found',
  EPIPE: 'connection reset',
  EPROTO: 'TLS handshake failed',
  ERR_HTTP2_ERROR: 'not HTTP/2',
  ERR_HTTP2_STREAM_ERROR: 'stream reset',
  ETIMEDOUT: 'timeout',
  HPE_HEADER_OVERFLOW: 'response headers too large',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate is of an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the certificate is of an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate is of an unknown authority',
}

/** Describes an error in a few stable words, without addresses. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'failed'
  const { code, syscall }: NodeJS.ErrnoException = error
  // ERR_TLS_FILES: the message names the file of the server's TLS settings and its problem.
  if (code === undefined || code === 'ERR_TLS_FILES') return error.message
  // Node gives its own "socket hang up" the same code, but only a real reset comes from a system call.
  if (code === 'ECONNRESET') return syscall === undefined ? 'connection closed' : 'connection reset'
  const text = TEXTS[code]
  if (text !== undefined) return text
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return otherName(error)
  if (code.startsWith('HPE_')) return 'malformed response'
  return code.startsWith('ERR_SSL_') ? 'TLS handshake failed' : code
}

/** Says for which name the certificate was expected. */
function otherName(error: Error): string {
  const wanted = 'host' in error && typeof error.host === 'string' ? error.host : ''
  return wanted === '' ? 'the certificate is for another name' : `the certificate is not for ${wanted}`
}
