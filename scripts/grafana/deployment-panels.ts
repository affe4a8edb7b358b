import { lines, type Panel, STACKED, table, thresholds } from './panels.ts'
import { percentile, rate, series, share, withVersion } from './select.ts'

const VERSION = 'service, pool, version'
const LEGEND = '{{service}} {{pool}} {{version}}'
const ERRORS = 'code=~"5.."'
/** Errors, and requests whose client has left. */
const NO_SUCCESS = 'code!~"5..|499"'

const errorSteps = thresholds(0.01, 0.05)

/** A deployment: the versions compared with each other. */
export const DEPLOYMENT_PANELS: readonly Panel[] = [
  table({
    title: 'Versions',
    description:
      'One row for each version that has a pool or got requests. Without a pool: answered by Cutover itself (no server available, a limit, no such service). In flight and servers are those of the version that the pool has now.',
    labels: ['service', 'pool', 'version'],
    columns: [
      { title: 'Share', unit: 'percent', expr: withVersion(`max by (service, pool) (${series('split_percent')})`) },
      { title: 'Rate', unit: 'reqps', expr: rate(VERSION, 'requests_total') },
      {
        title: 'Errors',
        unit: 'percentunit',
        decimals: 2,
        steps: errorSteps,
        expr: share(VERSION, 'requests_total', ERRORS),
      },
      { title: 'Success', unit: 'percentunit', decimals: 2, expr: share(VERSION, 'requests_total', NO_SUCCESS) },
      { title: 'p50', unit: 's', expr: percentile(0.5, VERSION, 'request_duration_seconds') },
      { title: 'p95', unit: 's', expr: percentile(0.95, VERSION, 'request_duration_seconds') },
      { title: 'p99', unit: 's', expr: percentile(0.99, VERSION, 'request_duration_seconds') },
      {
        title: 'In flight',
        unit: 'short',
        expr: withVersion(`sum by (service, pool) (${series('requests_in_flight')})`),
      },
      {
        title: 'Servers up',
        unit: 'short',
        expr: withVersion(`sum by (service, pool) (min by (service, pool, server) (${series('server_up')}))`),
      },
      {
        title: 'Servers',
        unit: 'short',
        expr: withVersion(`count by (service, pool) (max by (service, pool, server) (${series('server_up')}))`),
      },
    ],
  }),
  lines({
    title: 'Split',
    description:
      'Share of each pool as decided. Changes of the split are marked, and drains of servers; all other changes can be switched on at the top.',
    width: 12,
    unit: 'percent',
    max: 100,
    custom: STACKED,
    queries: { '{{service}} {{pool}}': `max by (service, pool) (${series('split_percent')})` },
  }),
  lines({
    title: 'Requests by version',
    description: 'What follows from the split. Routes, hooks and sticky clients may send requests elsewhere.',
    width: 12,
    unit: 'reqps',
    queries: { [LEGEND]: rate(VERSION, 'requests_total') },
  }),
  lines({
    title: 'Error rate by version',
    description: 'Share of the requests answered with 5xx. The alert CutoverErrorRate fires at 5 %.',
    unit: 'percentunit',
    steps: errorSteps,
    queries: { [LEGEND]: share(VERSION, 'requests_total', ERRORS) },
  }),
  lines({
    title: 'Success rate by version',
    description:
      'Share of the requests answered without an error. Requests whose client has left (499) are in neither share.',
    unit: 'percentunit',
    max: 1,
    queries: { [LEGEND]: share(VERSION, 'requests_total', NO_SUCCESS) },
  }),
  lines({
    title: 'Requests in flight by pool',
    description: 'After a switch, those of the old pool fall to 0. WebSockets and other tunnels count.',
    unit: 'short',
    queries: { '{{service}} {{pool}}': `sum by (service, pool) (${series('requests_in_flight')})` },
  }),
  lines({
    title: 'Duration by version, p50 and p95',
    description:
      'From the header of the request to the end of the response. The buckets are up to 2.5 times apart: compare versions.',
    unit: 's',
    queries: {
      [`p50 ${LEGEND}`]: percentile(0.5, VERSION, 'request_duration_seconds'),
      [`p95 ${LEGEND}`]: percentile(0.95, VERSION, 'request_duration_seconds'),
    },
  }),
  lines({
    title: 'Duration by version, p99',
    description: 'From the header of the request to the end of the response.',
    unit: 's',
    queries: { [LEGEND]: percentile(0.99, VERSION, 'request_duration_seconds') },
  }),
  lines({
    title: 'Duration at the servers, p95',
    description:
      'Of each try, from the choice of a server to the end of its response. What the panels beside it have more was spent queued, held or on retries.',
    unit: 's',
    queries: { [LEGEND]: percentile(0.95, VERSION, 'upstream_duration_seconds') },
  }),
]
