import { createHash } from 'node:crypto'
import { type DocumentKind, documentsOf, findDocument } from './document-kind.ts'
import type { Documents } from './state.ts'

/** Ways to prove to an ACME server that a name is ours: RFC 8555 §8.3 and RFC 8737. */
export type AcmeChallengeType = 'http-01' | 'tls-alpn-01'

export type AcmeKeyType = 'ecdsa' | 'rsa'

/** Certificates of a listener that are ordered by ACME. */
export interface AcmeSettings {
  /** Where the server writes to when something is wrong with a certificate. */
  readonly email: string
  /** URL of the server's directory. */
  readonly directory: string
  /** Host names in lower case, each of which gets a certificate of its own. */
  readonly domains: readonly string[]
  readonly challenge: AcmeChallengeType
  /** File with the authorities to trust at the ACME server instead of the default ones; null = the default ones. */
  readonly ca: string | null
  readonly keyType: AcmeKeyType
  /** Profile of certificates to ask the server for; empty = its default. */
  readonly profile: string
}

/** The directory unless another one is configured. */
export const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory'

/** Keys in these documents are in PEM, or sealed (`SecretBox`) for the purpose that is the name of the collection. */

/** The account of the fleet at an ACME server. Secret. */
export type AcmeAccount = {
  readonly directory: string
  readonly email: string
  /** The account's URL; null = it is not registered yet. */
  readonly url: string | null
  readonly key: string
  /** Attempts in a row in which the server could not be used. */
  readonly failures: number
  /** When it is asked again, by the clock of the store; null = at any time. */
  readonly retryAtMs: number | null
  readonly error: string | null
}

/** What is going on for the certificate of a name. Secret. */
export type AcmeOrder = {
  readonly domain: string
  readonly directory: string
  /** The order that was begun and has not ended; null = none. `key`: that of the certificate to be. */
  readonly order: { readonly url: string; readonly key: string; readonly startedAtMs: number } | null
  /** Attempts in a row that have failed. */
  readonly failures: number
  /** When the next attempt may begin, by the clock of the store; null = at any time. */
  readonly retryAtMs: number | null
  readonly error: string | null
  /** Somebody has asked for a new certificate now. */
  readonly isWanted: boolean
}

/** A certificate that was issued. Secret. */
export type AcmeCertificate = {
  readonly domain: string
  readonly directory: string
  /** With the chain, in PEM. */
  readonly cert: string
  readonly key: string
  readonly notAfterMs: number
  readonly issuedAtMs: number
  /** When the next one is ordered, by the clock of the store. */
  readonly renewAtMs: number
}

/** A challenge that every instance answers as long as it exists. `certificate`: JSON with `cert` and `key`, sealed; tls-alpn-01. */
export type AcmeChallenge = {
  readonly type: AcmeChallengeType
  readonly domain: string
  readonly keyAuthorization: string
  readonly certificate: string | null
  readonly madeAtMs: number
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isTime = (value: unknown): boolean => Number.isFinite(value)
const isTimeOrNull = (value: unknown): boolean => value === null || isTime(value)

export const ACME_ACCOUNTS: DocumentKind<AcmeAccount> = {
  collection: 'acmeAccounts',
  fits: (value): value is AcmeAccount =>
    isText(value.directory) &&
    isText(value.key) &&
    typeof value.email === 'string' &&
    (value.url === null || isText(value.url)) &&
    isTime(value.failures) &&
    isTimeOrNull(value.retryAtMs),
}

export const ACME_ORDERS: DocumentKind<AcmeOrder> = {
  collection: 'acmeOrders',
  fits: (value): value is AcmeOrder =>
    isText(value.domain) && isText(value.directory) && isTime(value.failures) && isTimeOrNull(value.retryAtMs),
}

export const ACME_CERTIFICATES: DocumentKind<AcmeCertificate> = {
  collection: 'acmeCertificates',
  fits: (value): value is AcmeCertificate =>
    isText(value.domain) &&
    isText(value.directory) &&
    isText(value.cert) &&
    isText(value.key) &&
    isTime(value.notAfterMs) &&
    isTime(value.renewAtMs),
}

/** By token. */
export const ACME_CHALLENGES: DocumentKind<AcmeChallenge> = {
  collection: 'acmeChallenges',
  fits: (value): value is AcmeChallenge =>
    (value.type === 'http-01' || value.type === 'tls-alpn-01') &&
    isText(value.domain) &&
    isText(value.keyAuthorization) &&
    (value.certificate === null || isText(value.certificate)) &&
    isTime(value.madeAtMs),
}

type Collected = Pick<Documents, 'collections'>

/** Name of the document of an account. */
export function acmeAccountName(directory: string): string {
  return createHash('sha256').update(directory).digest('hex').slice(0, 16)
}

/** Name of the documents about the certificate of a name at a server. */
export function acmeName(domain: string, directory: string): string {
  return `${domain}@${acmeAccountName(directory)}`
}

export function acmeAccountOf(documents: Collected, directory: string): AcmeAccount | null {
  return valueIn(findDocument(ACME_ACCOUNTS, documents, acmeAccountName(directory)))
}

export function acmeOrderOf(documents: Collected, domain: string, directory: string): AcmeOrder | null {
  return valueIn(findDocument(ACME_ORDERS, documents, acmeName(domain, directory)))
}

/** The certificate of a name that this server has issued. */
export function acmeCertificateOf(documents: Collected, domain: string, directory: string): AcmeCertificate | null {
  return valueIn(findDocument(ACME_CERTIFICATES, documents, acmeName(domain, directory)))
}

/**
 * The certificates for a name, the one to use first: that of the server in use, then those that other servers issued
 * before the configuration named this one, the longest valid one first.
 */
export function acmeCertificatesFor(
  documents: Collected,
  domain: string,
  directory: string,
): readonly AcmeCertificate[] {
  const own = acmeCertificateOf(documents, domain, directory)
  if (own !== null) return [own]
  return documentsOf(ACME_CERTIFICATES, documents)
    .map(({ value }) => value)
    .filter((value) => value.domain === domain)
    .sort((a, b) => b.notAfterMs - a.notAfterMs)
}

/**
 * When an order for a name may begin or go on, by the clock of the store. `Infinity`: never, since a newer version keeps
 * documents that this one cannot read.
 */
export function acmeDueAt(documents: Collected, domain: string, directory: string): number {
  const name = acmeName(domain, directory)
  const account = findDocument(ACME_ACCOUNTS, documents, acmeAccountName(directory))
  const order = findDocument(ACME_ORDERS, documents, name)
  const certificate = findDocument(ACME_CERTIFICATES, documents, name)
  if (account === 'unreadable' || order === 'unreadable' || certificate === 'unreadable') return Infinity
  const isOpen = order !== null && (order.value.isWanted || order.value.order !== null)
  const from = isOpen || certificate === null ? 0 : certificate.value.renewAtMs
  return Math.max(from, order?.value.retryAtMs ?? 0, account?.value.retryAtMs ?? 0)
}

function valueIn<T>(found: { readonly value: T } | 'unreadable' | null): T | null {
  return found === null || found === 'unreadable' ? null : found.value
}
