import { constants, createHash } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { ListenerTls, ServedCertificate } from '../model/listener-tls.ts'
import { CertificateNames } from './certificate-names.ts'

/**
 * Cipher suites for TLS 1.2: those with forward secrecy and authenticated encryption, Mozilla's "intermediate" without
 * finite-field Diffie-Hellman. The suites of TLS 1.3 are all of that kind.
 */
const CIPHERS = [
  ...['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'],
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ...['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ...['ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
].join(':')

/**
 * Groups for the exchange of keys: the hybrid one against future quantum computers, and Mozilla's "intermediate". Finite
 * fields and larger curves would cost the server a multiple (D(HE)at).
 */
const GROUPS = ['X25519MLKEM768', 'X25519', 'prime256v1', 'secp384r1']

/** The groups that this OpenSSL has; older ones lack the first. */
const ECDH_CURVE = GROUPS.filter(isAvailable).join(':')

/** Time for which a client may resume a session: the default of OpenSSL for TLS 1.3. */
const SESSION_SECONDS = 7_200
/** OpenSSL takes up to 32 bytes. */
const SESSION_CONTEXT_CHARS = 32

/** The TLS contexts of a listener, each made when a client first asks for its certificate. */
export class SecureContexts {
  /** Options of the context for clients that no certificate has a name for. */
  readonly first: SecureContextOptions
  private readonly settings: ListenerTls
  private readonly names: CertificateNames<ServedCertificate>
  private readonly pending: ReadonlySet<string>
  private readonly made = new Map<string, SecureContext>()
  /** What all contexts have in common, by which those of earlier settings can be used on. */
  private readonly common: SecureContextOptions & { readonly minVersion: 'TLSv1.2' | 'TLSv1.3' }

  /** `before`: those of the settings before; the contexts of certificates that have stayed are used on. */
  constructor(settings: ListenerTls, before: SecureContexts | null) {
    const { certificates, clientAuth, minVersion } = settings
    this.settings = settings
    this.common = {
      minVersion: `TLSv${minVersion}`,
      ciphers: CIPHERS,
      ecdhCurve: ECDH_CURVE,
      // All suites are good, so the client chooses the one that is fast for it.
      honorCipherOrder: false,
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      sessionTimeout: SESSION_SECONDS,
      // A session is resumed only where the client's certificate was verified in the same way.
      sessionIdContext: createHash('sha256')
        .update(JSON.stringify(clientAuth))
        .digest('hex')
        .slice(0, SESSION_CONTEXT_CHARS),
      // Without authorities, Node would load all those of the system.
      ca: clientAuth === null ? [] : [clientAuth.ca],
    }
    const [first] = certificates
    // Without a certificate, OpenSSL refuses every handshake with an alert.
    this.first = first === undefined ? this.common : this.optionsFor(first)
    this.pending = new Set(settings.pending)
    this.names = new CertificateNames(certificates.map((value) => ({ names: value.names, value })))
    if (before === null || !before.isLike(this)) return
    for (const { id } of certificates) {
      const context = before.made.get(id)
      if (context !== undefined) this.made.set(id, context)
    }
  }

  /** The context for a name; undefined = no certificate has it. Throws errors of OpenSSL. */
  for(serverName: string): SecureContext | undefined {
    const certificate = this.names.find(serverName)
    if (certificate === undefined) return undefined
    let context = this.made.get(certificate.id)
    if (context === undefined) {
      context = createSecureContext(this.optionsFor(certificate))
      this.made.set(certificate.id, context)
    }
    return context
  }

  /** Whether a name is one of this listener whose certificate has not been issued yet. */
  isPending(serverName: string): boolean {
    return this.pending.has(serverName.toLowerCase())
  }

  private optionsFor({ cert, key }: ServedCertificate): SecureContextOptions {
    return { ...this.common, cert, key }
  }

  private isLike({ settings: { minVersion, clientAuth } }: SecureContexts): boolean {
    const { settings } = this
    return settings.minVersion === minVersion && JSON.stringify(settings.clientAuth) === JSON.stringify(clientAuth)
  }
}

function isAvailable(group: string): boolean {
  try {
    createSecureContext({ ecdhCurve: group, ca: [] })
    return true
  } catch {
    return false
  }
}
