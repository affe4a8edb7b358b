import { count, instant, listOf, names, object, revision, text } from './schema-parts.ts'

const instantOrNull = { type: ['string', 'null'], format: 'date-time' }

/** The answers of the routes of certificates. */
export const certificateAnswers = {
  Certificate: object({
    listener: { ...text, description: 'Name of the listener, as in metrics.' },
    source: { enum: ['file', 'acme'], description: 'Whether it comes from files or was ordered.' },
    names: { ...names, description: 'Host names and addresses that it is for.' },
    issuer: text,
    notBefore: instant,
    notAfter: instant,
    fingerprint: { ...text, description: 'SHA-256 of the certificate.' },
    file: { ...text, description: 'Its file; acme:NAME: it was ordered.' },
    keyFile: { ...text, description: 'Empty: it was ordered.' },
    inForceSince: {
      type: ['string', 'null'],
      format: 'date-time',
      description: 'When it was read; null: a previous process of this instance has read it, or it was ordered.',
    },
    error: {
      type: ['string', 'null'],
      description: 'Why the files as they are now cannot be used; null: what they have is in force.',
    },
    failures: { ...count, description: 'Changes of the files after which they could not be used.' },
  }),
  OrderedCertificate: object({
    domain: text,
    listeners: { ...names, description: 'Names of the listeners that have it.' },
    directory: { ...text, description: 'URL of the directory of the ACME server.' },
    challenge: { enum: ['http-01', 'tls-alpn-01'] },
    notAfter: { ...instantOrNull, description: 'null: this server has not issued one yet.' },
    nextRenewal: instantOrNull,
    nextTry: {
      ...instantOrNull,
      description: 'When the next attempt may begin; null: none is needed before the renewal.',
    },
    failures: { ...count, description: 'Attempts in a row that have failed.' },
    error: { type: ['string', 'null'], description: 'Why the last attempt has failed.' },
  }),
  Certificates: object({
    revision,
    certificates: listOf('Certificate'),
    acme: { ...listOf('OrderedCertificate'), description: 'Names whose certificates are ordered from ACME servers.' },
  }),
  CertificatesOrdered: object({
    revision,
    ordering: { ...names, description: 'Names whose certificates are ordered now; see GET /api/certificates.' },
  }),
}
