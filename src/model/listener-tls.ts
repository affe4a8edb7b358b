import type { AcmeSettings } from './acme.ts'

/** Versions of TLS that a listener may be limited to. */
export type TlsVersion = '1.2' | '1.3'

/** Protocols that a TLS listener can negotiate (ALPN). */
export type AlpnProtocol = 'h2' | 'http/1.1'

/** Files of a certificate, with the authorities between it and the root behind it, and of its key. In PEM. */
export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

/** TLS of a listener as configured. */
export interface TlsSettings {
  /** The first one is for clients that ask for no name, or for one that no certificate has. At least one without `acme`. */
  readonly certificates: readonly CertificateFiles[]
  /** Certificates beside those, which are ordered; null = none. */
  readonly acme: AcmeSettings | null
  readonly minVersion: TlsVersion
  /** null = clients are not asked for certificates. */
  readonly clientAuth: ClientAuth | null
  readonly alpn: readonly AlpnProtocol[]
}

export interface ClientAuth {
  /** File with the authorities that sign the certificates of clients, in PEM. */
  readonly ca: string
  /** Whether a client without a certificate is refused. One with a certificate of another authority always is. */
  readonly require: boolean
}

/** A certificate with its key, for proxies. Secret. */
export interface ServedCertificate {
  /** Identifies the pair by its contents. */
  readonly id: string
  /** Path of the file with the certificate; `acme:NAME` = it was ordered. */
  readonly file: string
  /** Host names in lower case; the first label may be `*`. */
  readonly names: readonly string[]
  /** PEM. */
  readonly cert: string
  /** PEM. */
  readonly key: string
}

/** TLS of a listener with the contents of its files, for proxies. Secret. */
export interface ListenerTls {
  /** Position of the listener in the configuration that this instance was started with. */
  readonly listener: number
  /** The first one is for clients that ask for no name, or for one that no certificate has. */
  readonly certificates: readonly ServedCertificate[]
  /** Host names in lower case whose certificates have not been issued yet. */
  readonly pending: readonly string[]
  readonly minVersion: TlsVersion
  /** `ca`: PEM. null = clients are not asked for certificates. */
  readonly clientAuth: ClientAuth | null
  readonly alpn: readonly AlpnProtocol[]
}

/** What proxies answer to the challenges of ACME servers. Secret. */
export interface AcmeAnswers {
  /** By token: what GET /.well-known/acme-challenge/TOKEN answers. */
  readonly http: Readonly<Record<string, string>>
  /** Certificates for connections that negotiate acme-tls/1, in PEM, by host name. */
  readonly alpn: Readonly<Record<string, { readonly cert: string; readonly key: string }>>
}
