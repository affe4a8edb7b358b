import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'

/** Texts of a certificate and its key, in PEM. The key is secret. */
export interface CertificateTexts {
  readonly cert: string
  readonly key: string
}

/** What a certificate says. */
export interface CertificateFacts {
  /** Host names in lower case, then IP addresses: of the subject alternative name, or else the common name. */
  readonly names: readonly string[]
  readonly issuer: string
  /** Milliseconds since the epoch. */
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** SHA-256 of the certificate, in hexadecimal digits. */
  readonly fingerprint: string
}

/** A certificate and a key that fit each other. */
export interface Certificate extends CertificateTexts {
  /** Identifies the pair by its contents. */
  readonly id: string
  readonly facts: CertificateFacts
}

/** Why texts cannot be used, and in which of the two the problem is. */
export interface CertificateProblem {
  readonly key: 'cert' | 'key'
  /** Without the name of the file; it begins with a verb. */
  readonly message: string
}

const BEGIN = '-----BEGIN CERTIFICATE-----'
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Reads a certificate and its key. Returns all problems if they cannot be used together. */
export function readCertificate(texts: CertificateTexts): Certificate | readonly CertificateProblem[] {
  const chain = readChain(texts.cert)
  const key = readKey(texts.key)
  const problems: CertificateProblem[] = []
  if (typeof chain === 'string') problems.push({ key: 'cert', message: chain })
  if (typeof key === 'string') problems.push({ key: 'key', message: key })
  if (typeof chain === 'string' || typeof key === 'string') return problems
  const [leaf] = chain as [X509Certificate]
  if (!leaf.checkPrivateKey(key)) return [{ key: 'key', message: 'is not the key of the certificate' }]
  const refused = refusedByOpenSsl(texts)
  if (refused !== null) return [{ key: 'cert', message: refused }]
  const id = createHash('sha256')
    .update(JSON.stringify([texts.cert, texts.key]))
    .digest('hex')
  return { ...texts, id, facts: factsOf(leaf) }
}

/** Reads the certificates of authorities. Returns the problem with them; null = they can be used. */
export function authoritiesProblem(text: string): string | null {
  const chain = readChain(text)
  return typeof chain === 'string' ? chain : null
}

/** Returns the certificates in a text, or the problem with them. */
function readChain(text: string): readonly X509Certificate[] | string {
  const parts = text.match(CERTIFICATE) ?? []
  if (parts.length === 0) return 'is not a PEM certificate'
  // A file that is still being written may end in the middle of one.
  if (text.split(BEGIN).length - 1 !== parts.length) return 'ends in the middle of a certificate'
  try {
    return parts.map((part) => new X509Certificate(part))
  } catch {
    return 'is not a PEM certificate'
  }
}

function readKey(text: string): KeyObject | string {
  try {
    return createPrivateKey(text)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ERR_MISSING_PASSPHRASE'
      ? 'has a passphrase; remove it (openssl pkey -in FILE -out FILE) and protect the file by its permissions'
      : 'is not a PEM private key'
  }
}

/** Why OpenSSL refuses the pair, for example because its key is too short; null = it does not. */
function refusedByOpenSsl(texts: CertificateTexts): string | null {
  try {
    createSecureContext({ ...texts, ca: [] })
    return null
  } catch (error) {
    const { reason, message } = error as Error & { reason?: string }
    return `is refused by OpenSSL: ${reason ?? message}`
  }
}

function factsOf(leaf: X509Certificate): CertificateFacts {
  return {
    names: namesOf(leaf),
    issuer: leaf.issuer.split('\n').join(', '),
    notBeforeMs: leaf.validFromDate.getTime(),
    notAfterMs: leaf.validToDate.getTime(),
    fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
  }
}

/** Names and addresses of the subject alternative name (RFC 6125); only without any, the common name. */
function namesOf({ subjectAltName, subject }: X509Certificate): readonly string[] {
  // A name with a comma or a quote in it stands in quotes, and is no host name.
  const entries = (subjectAltName ?? '').split(', ')
  const names = entries.flatMap((entry) => /^DNS:([^",\s]+)$/.exec(entry)?.[1]?.toLowerCase() ?? [])
  const addresses = entries.flatMap((entry) => /^IP Address:(\S+)$/.exec(entry)?.[1]?.toLowerCase() ?? [])
  if (names.length > 0 || addresses.length > 0) return [...names, ...addresses]
  const [, common] = /^CN=(.+)$/m.exec(subject) ?? []
  return common === undefined ? [] : [common.toLowerCase()]
}
