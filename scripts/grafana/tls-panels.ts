import { lines, type Panel, states } from './panels.ts'
import { rate, series } from './select.ts'

const CERTIFICATE = 'instance, listener, file'
const LEGEND = '{{instance}} {{listener}} {{file}}'

/** TLS of the listeners for clients. */
export const TLS_PANELS: readonly Panel[] = [
  lines({
    title: 'Time until certificates end',
    description: 'Of those in force. The alert CutoverCertificateEnds fires 14 days before the end.',
    unit: 's',
    queries: { [LEGEND]: `min by (${CERTIFICATE}) (${series('tls_not_after_seconds')}) - time()` },
  }),
  lines({
    title: 'TLS handshakes',
    description:
      'By how they have ended: full, resumed, or the kind of failure. refused = the client does not trust the certificate; plainHttp and garbage = it speaks no TLS.',
    unit: 'reqps',
    queries: { '{{listener}} {{outcome}}': rate('listener, outcome', 'tls_handshakes_total') },
  }),
  lines({
    title: 'Connections of HTTP/2 closed for what the client did',
    description: 'By the reason: floods of frames or resets, malformed frames, limits.',
    unit: 'short',
    queries: { '{{reason}}': `sum by (reason) (increase(${series('http2_connections_closed_total')}[$rate]))` },
  }),
  lines({
    title: 'Calls of gRPC',
    description: 'By service and status: 0 = OK, 14 = UNAVAILABLE.',
    unit: 'reqps',
    queries: { '{{service}} {{grpc_status}}': rate('service, grpc_status', 'grpc_requests_total') },
  }),
  states({
    title: 'Files of certificates',
    description:
      'Refused: the files have been replaced by something that cannot be used; the certificate before stays in force.',
    queries: { [LEGEND]: `max by (${CERTIFICATE}) (${series('tls_certificate_refused')})` },
    states: [
      ['in force', 'green'],
      ['refused', 'red'],
    ],
  }),
  lines({
    title: 'Changes of files that could not be used',
    description: 'The log of the instance and GET /api/certificates say why.',
    unit: 'short',
    queries: { [LEGEND]: `sum by (${CERTIFICATE}) (increase(${series('tls_certificate_failures_total')}[$rate]))` },
  }),
  lines({
    title: 'Certificates by ACME',
    description:
      'Attempts in a row that have failed, by name, and attempts by how they have ended. GET /api/certificates says why, and when the next one is.',
    unit: 'short',
    queries: {
      '{{domain}}: failures': `max by (domain) (${series('acme_failures')})`,
      '{{outcome}}': `sum by (outcome) (increase(${series('acme_orders_total')}[$rate]))`,
    },
  }),
]
