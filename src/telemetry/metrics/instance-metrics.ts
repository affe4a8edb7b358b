import type { Vitals } from '../../model/messages.ts'
import { bit, type Metric, type Sample, single } from './metric.ts'
import type { MetricsSnapshot } from './snapshot.ts'

const PROCESS = ['role', 'pid'] as const

/** This instance: what it has in force, its store, its processes and its listeners. */
export const INSTANCE_METRICS: readonly Metric[] = [
  {
    type: 'gauge',
    name: 'build_info',
    help: '1; the version of Cutover, and of the Node.js that it runs on.',
    labels: ['version', 'node'],
    read: ({ version }) => [{ labels: [version, process.version], value: 1 }],
  },
  single('gauge', 'revision', 'Revision of the state.', ({ revision }) => revision),
  {
    type: 'gauge',
    name: 'applied_revision',
    help: 'Revision in force in all workers of each instance.',
    labels: ['instance'],
    read: ({ applied }) => applied.map(({ instance, revision }) => ({ labels: [instance], value: revision })),
  },
  single(
    'gauge',
    'apply_lag_seconds',
    'Time until all workers had the last change in force; until then, the time since the change.',
    ({ applyLagMs }) => applyLagMs / 1_000,
  ),
  single(
    'gauge',
    'handovers_pending',
    'Services that keep their previous definition until the servers of the new one are up.',
    ({ handovers }) => handovers,
  ),
  single(
    'gauge',
    'overrides',
    'Overrides in force on this instance only, while the store is away or takes no changes.',
    ({ overrides }) => overrides,
  ),
  {
    type: 'counter',
    name: 'dns_lookups_total',
    help: 'Lookups of the names of servers by the control process, by outcome: found, nxdomain, nodata, servfail, refused, timeout, failed.',
    labels: ['outcome'],
    read: ({ lookups }) => lookups.map(([outcome, count]) => ({ labels: [outcome], value: count })),
  },
  single('gauge', 'store_up', '1 if the store can be reached.', ({ storeUp }) => bit(storeUp)),
  single(
    'gauge',
    'store_writable',
    '1 if the store takes changes, as found by trying from time to time.',
    ({ storeWritable }) => bit(storeWritable),
  ),
  single(
    'counter',
    'store_reloads_total',
    'Number of times the whole state was read again because of a gap in the feed.',
    ({ storeCounts }) => storeCounts.reloads,
  ),
  single(
    'counter',
    'store_restores_total',
    'Number of times this instance restored an emptied or damaged store.',
    ({ storeCounts }) => storeCounts.restores,
  ),
  single(
    'counter',
    'store_lost_revisions_total',
    'Revisions that the store has lost, for example in a failover.',
    ({ storeCounts }) => storeCounts.lostRevisions,
  ),
  single(
    'counter',
    'worker_restarts_total',
    'Number of workers that have ended unexpectedly.',
    ({ workerRestarts }) => workerRestarts,
  ),
  single(
    'counter',
    'access_log_dropped_total',
    'Lines of the access log dropped because they were not read in time or could not be written.',
    ({ accessLogDropped }) => accessLogDropped,
  ),
  single(
    'counter',
    'trace_spans_dropped_total',
    'Spans of traced requests dropped because too many were waiting or could not be delivered.',
    ({ traceSpansDropped }) => traceSpansDropped,
  ),
  {
    type: 'gauge',
    name: 'worker_cpu_percent',
    help: 'CPU usage of each process, in percent of one core.',
    labels: PROCESS,
    read: (snapshot) => eachProcess(snapshot, ({ cpuPercent }) => cpuPercent),
  },
  {
    type: 'gauge',
    name: 'worker_memory_bytes',
    help: 'Resident memory of each process.',
    labels: PROCESS,
    read: (snapshot) => eachProcess(snapshot, ({ memoryBytes }) => memoryBytes),
  },
  {
    type: 'gauge',
    name: 'worker_event_loop_delay_seconds',
    help: 'Delay of timers in each process, 99th percentile.',
    labels: PROCESS,
    read: (snapshot) => eachProcess(snapshot, ({ eventLoopDelayMs }) => eventLoopDelayMs / 1_000),
  },
  {
    type: 'gauge',
    name: 'connections',
    help: 'Open connections, by the listener that accepted them.',
    labels: ['listener'],
    read: ({ report, admin }) =>
      Object.entries({ ...report.listeners, ...admin.listeners }).map(([listener, value]) => ({
        labels: [listener],
        value,
      })),
  },
  single(
    'counter',
    'admin_connections_refused_total',
    'Connections to the admin API closed because admin.connections were open already.',
    ({ admin }) => admin.refusedConnections,
  ),
  single(
    'counter',
    'admin_wrong_tokens_total',
    'Requests to the admin API with an unknown token.',
    ({ admin }) => admin.wrongTokens,
  ),
]

function eachProcess({ processes }: MetricsSnapshot, value: (vitals: Vitals) => number): readonly Sample[] {
  return processes.map((each) => ({ labels: [each.role, each.pid], value: value(each) }))
}
