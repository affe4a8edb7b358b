import type { ServerState } from '../../model/state.ts'
import { bit, type Metric, type Sample } from './metric.ts'
import type { MetricsSnapshot } from './snapshot.ts'

const SERVER = ['service', 'pool', 'server'] as const
const STATES: readonly ServerState[] = ['ready', 'drain', 'maint']

/** State and health of the servers. */
export const SERVER_METRICS: readonly Metric[] = [
  {
    type: 'gauge',
    name: 'server_up',
    help: '1 if health checks have found the server up and it is not ejected.',
    labels: SERVER,
    read: (snapshot) => eachServer(snapshot, ({ up }) => bit(up)),
  },
  {
    type: 'gauge',
    name: 'server_ejected',
    help: '1 if the server gets no requests because too many failed there.',
    labels: SERVER,
    read: (snapshot) => eachServer(snapshot, ({ ejected }) => bit(ejected)),
  },
  {
    type: 'gauge',
    name: 'server_weight',
    help: 'Weight of the server; in slow start, the part of it that it has now.',
    labels: SERVER,
    read: (snapshot) => eachServer(snapshot, ({ weight }) => weight),
  },
  {
    type: 'gauge',
    name: 'server_state',
    help: 'State set by people: 1 for the current one, 0 for the others.',
    labels: [...SERVER, 'state'],
    read: ({ servers }) =>
      servers.flatMap(({ service, pool, server, state }) =>
        STATES.map((each) => ({ labels: [service, pool, server, each], value: bit(each === state) })),
      ),
  },
  {
    type: 'gauge',
    name: 'probe_duration_seconds',
    help: 'Duration of the last health check of the server.',
    labels: SERVER,
    read: ({ servers }) =>
      servers.flatMap(({ service, pool, server, probeMs }) =>
        probeMs === null ? [] : [{ labels: [service, pool, server], value: probeMs / 1_000 }],
      ),
  },
  {
    type: 'gauge',
    name: 'server_certificate_not_after_seconds',
    help: 'When the certificate that the last health check saw at the server expires, as a Unix time; servers with TLS.',
    labels: SERVER,
    read: ({ servers }) =>
      servers.flatMap(({ service, pool, server, certificateExpiresAtMs }) =>
        certificateExpiresAtMs === null
          ? []
          : [{ labels: [service, pool, server], value: Math.round(certificateExpiresAtMs / 1_000) }],
      ),
  },
  {
    type: 'gauge',
    name: 'backups_in_use',
    help: '1 while the backups of a pool take its requests; pools with backups.',
    labels: ['service', 'pool'],
    read: ({ backups }) => backups.map(({ service, pool, inUse }) => ({ labels: [service, pool], value: bit(inUse) })),
  },
]

function eachServer(
  { servers }: MetricsSnapshot,
  value: (server: MetricsSnapshot['servers'][number]) => number,
): readonly Sample[] {
  return servers.map((each) => ({ labels: [each.service, each.pool, each.server], value: value(each) }))
}
