import type { TallyKind } from '../../model/messages.ts'
import type { Metric } from './metric.ts'

/**
 * The metric of each kind of tally; `label`: the name of its label beside the service, empty = none. `ofInstance`: it has no
 * service.
 */
const TALLIES: readonly {
  readonly kind: TallyKind
  readonly name: string
  readonly label: string
  readonly ofInstance?: true
  readonly help: string
}[] = [
  {
    kind: 'retries',
    name: 'retries_total',
    label: 'reason',
    help: 'Requests sent again, by the reason for which the previous try failed.',
  },
  {
    kind: 'cohorts',
    name: 'cohort_requests_total',
    label: 'key',
    help: 'Requests of services that split by client: with a key (given), with one that is issued now (issued), or without (absent).',
  },
  {
    kind: 'routed',
    name: 'routed_requests_total',
    label: 'route',
    help: 'Requests that a route has decided, instead of the split.',
  },
  {
    kind: 'sticky',
    name: 'sticky_requests_total',
    label: 'result',
    help: 'Requests of services with sticky, by what became of the client: kept at its server, moved to another one, or new.',
  },
  {
    kind: 'hookErrors',
    name: 'hook_errors_total',
    label: 'hook',
    help: 'Errors of hooks: exceptions, timeouts and results that are not allowed.',
  },
  {
    kind: 'spilled',
    name: 'hash_spilled_total',
    label: '',
    help: 'Requests that went to the next server in the order of their hash, because the first had more than 1.25 times the mean load.',
  },
  {
    kind: 'grpc',
    name: 'grpc_requests_total',
    label: 'grpc_status',
    help: 'Calls of gRPC, by their status: 0 = OK, 14 = UNAVAILABLE, …',
  },
  {
    kind: 'http2Closed',
    name: 'http2_connections_closed_total',
    label: 'reason',
    ofInstance: true,
    help: 'Connections of HTTP/2 that were closed because of what the client did, by the reason.',
  },
  {
    kind: 'mirrored',
    name: 'mirrored_requests_total',
    label: 'code',
    help: 'Copies of requests that were answered, by status code.',
  },
  {
    kind: 'mirrorFailures',
    name: 'mirror_failures_total',
    label: 'reason',
    help: 'Copies of requests that got no whole answer, by the reason.',
  },
  {
    kind: 'mirrorDropped',
    name: 'mirror_dropped_total',
    label: 'reason',
    help: 'Copies of requests that were not sent, by the reason.',
  },
  {
    kind: 'mirrorDifferences',
    name: 'mirror_differences_total',
    label: '',
    help: 'Copies of requests whose answers have another status class than those that the clients got.',
  },
]

/** Counts of events of each service, and of those that belong to none. */
export const TALLY_METRICS: readonly Metric[] = TALLIES.map(({ kind, name, label, help, ofInstance = false }) => ({
  type: 'counter',
  name,
  help,
  labels: [...(ofInstance ? [] : ['service']), ...(label === '' ? [] : [label])],
  read: ({ report }) =>
    report.tallies
      .filter((tally) => tally.kind === kind)
      .map((tally) => ({
        labels: [...(ofInstance ? [] : [tally.service]), ...(label === '' ? [] : [tally.label])],
        value: tally.count,
      })),
}))
