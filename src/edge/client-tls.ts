import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

/** TLS of a client's connection. */
export interface ClientTls {
  /** The name that the client asked for, in lower case; empty = none, or no host name. */
  readonly serverName: string
  /** `TLSv1.3`. */
  readonly version: string
  /** Name of the cipher suite by IANA. */
  readonly cipher: string
  /** Element of X-Forwarded-Client-Cert about the client's certificate, which was verified; empty = it has none. */
  readonly certificate: string
  /** Requests must be for `serverName`, since certificates of clients are verified for that name. */
  readonly isBound: boolean
}

const HOST_NAME = /^[a-z0-9._-]{1,255}$/
const MAX_SUBJECT_CHARS = 1_000

/** Describes a connection whose handshake has ended. `asksForCertificate`: of the listener. */
export function clientTls(socket: TLSSocket, asksForCertificate: boolean): ClientTls {
  const { servername } = socket
  const name = typeof servername === 'string' ? servername.toLowerCase() : ''
  const certificate = asksForCertificate && socket.authorized ? socket.getPeerX509Certificate() : undefined
  return {
    serverName: HOST_NAME.test(name) ? name : '',
    version: socket.getProtocol() ?? '',
    cipher: socket.getCipher()?.standardName ?? '',
    certificate: certificate === undefined ? '' : certificateElement(certificate),
    isBound: asksForCertificate,
  }
}

/** As Envoy writes it: `Hash=…;Subject="CN=client,O=Example"`, with the SHA-256 of the certificate. */
function certificateElement({ fingerprint256, subject }: X509Certificate): string {
  const hash = `Hash=${fingerprint256.replaceAll(':', '').toLowerCase()}`
  const names = subject === undefined ? '' : subject.split('\n').reverse().join(',')
  return names.length > MAX_SUBJECT_CHARS ? hash : `${hash};Subject="${quotable(names)}"`
}

/** Escapes quotes, and percent-encodes what a field value cannot have. */
function quotable(text: string): string {
  return text
    .replace(/["\\]/g, '\\$&')
    .toWellFormed()
    .replace(/[^\x20-\x7e]/gu, (char) => encodeURIComponent(char))
}
