import { bit, type Metric } from './metric.ts'

const CERTIFICATE = ['listener', 'file'] as const

/** TLS of the listeners for clients. */
export const TLS_METRICS: readonly Metric[] = [
  {
    type: 'counter',
    name: 'tls_handshakes_total',
    help: 'Handshakes that have ended, by how: full, resumed, or the kind of failure.',
    labels: ['listener', 'outcome'],
    read: ({ handshakes }) =>
      handshakes.map(({ listener, outcome, count }) => ({ labels: [listener, outcome], value: count })),
  },
  {
    type: 'gauge',
    name: 'tls_not_after_seconds',
    help: 'End of the validity of each certificate in force, in seconds since the epoch.',
    labels: CERTIFICATE,
    read: ({ certificates }) =>
      certificates.map(({ listener, file, notAfterMs }) => ({ labels: [listener, file], value: notAfterMs / 1_000 })),
  },
  {
    type: 'gauge',
    name: 'tls_certificate_refused',
    help: '1 while the files of a certificate have contents that cannot be used, so that the one before stays in force.',
    labels: CERTIFICATE,
    read: ({ certificates }) =>
      certificates.map(({ listener, file, isRefused }) => ({ labels: [listener, file], value: bit(isRefused) })),
  },
  {
    type: 'counter',
    name: 'tls_certificate_failures_total',
    help: 'Changes of the files of a certificate after which they could not be used.',
    labels: CERTIFICATE,
    read: ({ certificates }) =>
      certificates.map(({ listener, file, failures }) => ({ labels: [listener, file], value: failures })),
  },
  {
    type: 'counter',
    name: 'acme_orders_total',
    help: 'Attempts of this instance to order a certificate, by outcome: issued, or why it failed.',
    labels: ['outcome'],
    read: ({ acme }) => Object.entries(acme.counts).map(([outcome, value]) => ({ labels: [outcome], value })),
  },
  {
    type: 'gauge',
    name: 'acme_failures',
    help: 'Attempts in a row of the fleet to order the certificate of a name that have failed.',
    labels: ['domain'],
    read: ({ acme }) => acme.names.map(({ domain, failures }) => ({ labels: [domain], value: failures })),
  },
]
