/** How a handshake has failed. */
export type HandshakeFailure =
  /** The client speaks HTTP without TLS. */
  | 'plainHttp'
  /** What the client sent is no handshake. */
  | 'garbage'
  /** Client and listener have no version, cipher or protocol in common. */
  | 'incompatible'
  /** The client has no certificate, or one that cannot be verified. */
  | 'clientCertificate'
  /** The client has refused the handshake, mostly because it does not trust the certificate. */
  | 'refused'
  /** There is no certificate for the name yet. */
  | 'noCertificate'
  /** It was not complete in time. */
  | 'timeout'
  /** The client has left. */
  | 'left'
  /** Any other failure. */
  | 'failed'

/** `resumed`: with a ticket of an earlier connection. `acme`: the challenge of an ACME server, which was answered. */
export type HandshakeOutcome = 'full' | 'resumed' | 'acme' | HandshakeFailure

const BY_CODE: Readonly<Record<string, HandshakeFailure>> = {
  ERR_SSL_HTTP_REQUEST: 'plainHttp',
  ERR_SSL_HTTPS_PROXY_REQUEST: 'plainHttp',
  ERR_SSL_WRONG_VERSION_NUMBER: 'garbage',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'garbage',
  ERR_SSL_UNEXPECTED_MESSAGE: 'garbage',
  ERR_SSL_BAD_RECORD_TYPE: 'garbage',
  ERR_SSL_BAD_PACKET_LENGTH: 'garbage',
  ERR_SSL_RECORD_LENGTH_MISMATCH: 'garbage',
  ERR_SSL_LENGTH_MISMATCH: 'garbage',
  ERR_SSL_LENGTH_TOO_SHORT: 'garbage',
  ERR_SSL_EXCESSIVE_MESSAGE_SIZE: 'garbage',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'incompatible',
  ERR_SSL_VERSION_TOO_LOW: 'incompatible',
  ERR_SSL_NO_SHARED_CIPHER: 'incompatible',
  ERR_SSL_NO_SUITABLE_KEY_SHARE: 'incompatible',
  ERR_SSL_NO_SUITABLE_GROUPS: 'incompatible',
  ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM: 'incompatible',
  ERR_SSL_NO_SHARED_SIGNATURE_ALGORITHMS: 'incompatible',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'incompatible',
  ERR_SSL_INAPPROPRIATE_FALLBACK: 'incompatible',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'clientCertificate',
  ERR_SSL_CERTIFICATE_VERIFY_FAILED: 'clientCertificate',
  ECONNRESET: 'left',
  EPIPE: 'left',
}

/** Matches the errors of OpenSSL for alerts of a client: `TLSV1_ALERT_…`, `SSL/TLS_ALERT_…`. */
const ALERT = /^ERR_SSL_\S+_ALERT_/

/** Errors of OpenSSL for a context without a certificate, by version of TLS. */
const WITHOUT_CERTIFICATE: ReadonlySet<string> = new Set([
  'ERR_SSL_NO_SHARED_CIPHER',
  'ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM',
])

/** The name that a client asks for has no certificate yet. */
export class NoCertificate extends Error {
  override name = 'NoCertificate'
}

/** Names the failure of a handshake by the error of node:tls. `isBare`: the listener has no certificate at all. */
export function handshakeFailure(error: unknown, isBare = false): HandshakeFailure {
  if (error instanceof NoCertificate) return 'noCertificate'
  const { code = '' } = error as NodeJS.ErrnoException
  if (isBare && WITHOUT_CERTIFICATE.has(code)) return 'noCertificate'
  return BY_CODE[code] ?? (ALERT.test(code) ? 'refused' : 'failed')
}
