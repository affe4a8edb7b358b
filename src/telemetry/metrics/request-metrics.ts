import { own, poolKey } from '../../model/names.ts'
import { bit, type Metric } from './metric.ts'

const SERIES = ['service', 'pool', 'version'] as const
const MODES = ['serving', 'paused', 'stopped'] as const

/** Requests by service and pool. */
export const REQUEST_METRICS: readonly Metric[] = [
  {
    type: 'counter',
    name: 'requests_total',
    help: 'Requests answered, by status code.',
    labels: [...SERIES, 'code'],
    read: ({ report }) =>
      report.series.flatMap(({ service, pool, version, codes }) =>
        Object.entries(codes).map(([code, value]) => ({ labels: [service, pool, version, code], value })),
      ),
  },
  {
    type: 'histogram',
    name: 'request_duration_seconds',
    help: 'Time from the header of the request to the end of the response.',
    labels: SERIES,
    read: ({ report }) =>
      report.series.map(({ service, pool, version, durations }) => ({
        labels: [service, pool, version],
        histogram: durations,
      })),
  },
  {
    type: 'histogram',
    name: 'upstream_duration_seconds',
    help: 'Time of each try at a server, from the choice of the server to the end of its response, or to its failure.',
    labels: SERIES,
    read: ({ report }) =>
      report.series.map(({ service, pool, version, upstream }) => ({
        labels: [service, pool, version],
        histogram: upstream,
      })),
  },
  {
    type: 'gauge',
    name: 'requests_in_flight',
    help: 'Requests and tunnels in flight.',
    labels: ['service', 'pool', 'server'],
    read: ({ servers }) =>
      servers.map(({ service, pool, server, inFlight }) => ({ labels: [service, pool, server], value: inFlight })),
  },
  {
    type: 'gauge',
    name: 'queued_requests',
    help: 'Requests queued because all servers have reached their limits.',
    labels: ['service'],
    read: ({ report, services }) =>
      services.map(({ name, pools }) => ({
        labels: [name],
        value: pools.reduce((sum, pool) => sum + (report.queued[poolKey(name, pool)] ?? 0), 0),
      })),
  },
  {
    type: 'gauge',
    name: 'held_requests',
    help: 'Requests held because their service is paused.',
    labels: ['service'],
    read: ({ report, services }) =>
      services.map(({ name }) => ({ labels: [name], value: own(report.held, name) ?? 0 })),
  },
  {
    type: 'gauge',
    name: 'split_percent',
    help: 'Share of requests per pool, in percent.',
    labels: ['service', 'pool'],
    read: ({ pools }) => pools.map(({ service, pool, percent }) => ({ labels: [service, pool], value: percent })),
  },
  {
    type: 'gauge',
    name: 'pool_info',
    help: '1; the version of the pool now.',
    labels: SERIES,
    read: ({ pools }) => pools.map(({ service, pool, version }) => ({ labels: [service, pool, version], value: 1 })),
  },
  {
    type: 'gauge',
    name: 'service_mode',
    help: 'Mode of the service: 1 for the current one, 0 for the others.',
    labels: ['service', 'mode'],
    read: ({ services }) =>
      services.flatMap(({ name, mode }) => MODES.map((each) => ({ labels: [name, each], value: bit(each === mode) }))),
  },
  {
    type: 'gauge',
    name: 'version_mismatch',
    help: '1 if servers of the pool have reported another version than its own in the last minute; services with versionHeader.',
    labels: ['service', 'pool'],
    read: ({ versions }) =>
      versions.map(({ service, pool, isMismatch }) => ({ labels: [service, pool], value: bit(isMismatch) })),
  },
]
