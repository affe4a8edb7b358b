import type { TallyKind } from '../../model/messages.ts'
import type { Metric } from './metric.ts'

/** The metric of each kind of tally; `label`: the name of its label beside the service, empty = none. */
const TALLIES: readonly {
  readonly kind: TallyKind
  readonly name: string
  readonly label: string
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

/** Counts of events of each service. */
export const TALLY_METRICS: readonly Metric[] = TALLIES.map(({ kind, name, label, help }) => ({
  type: 'counter',
  name,
  help,
  labels: label === '' ? ['service'] : ['service', label],
  read: ({ report }) =>
    report.tallies
      .filter((tally) => tally.kind === kind)
      .map((tally) => ({ labels: label === '' ? [tally.service] : [tally.service, tally.label], value: tally.count })),
}))
