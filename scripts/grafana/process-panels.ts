import { lines, type Panel, thresholds } from './panels.ts'
import { rate, series } from './select.ts'

const PROCESS = 'instance, role, pid'
const LEGEND = '{{instance}} {{role}} {{pid}}'

/** Processes: each worker, its connections, and what was lost. */
export const PROCESS_PANELS: readonly Panel[] = [
  lines({
    title: 'CPU',
    description: 'In percent of one core. A worker at 100 % is the limit of its connections.',
    unit: 'percent',
    steps: thresholds(80, 95),
    queries: { [LEGEND]: `max by (${PROCESS}) (${series('worker_cpu_percent')})` },
  }),
  lines({
    title: 'Memory',
    description: 'Resident memory of each process.',
    unit: 'bytes',
    queries: { [LEGEND]: `max by (${PROCESS}) (${series('worker_memory_bytes')})` },
  }),
  lines({
    title: 'Event loop delay, p99',
    description: 'How late timers are. Every request of the worker has this delay.',
    unit: 's',
    steps: thresholds(0.05, 0.1),
    queries: { [LEGEND]: `max by (${PROCESS}) (${series('worker_event_loop_delay_seconds')})` },
  }),
  lines({
    title: 'Connections',
    description: 'Open connections of clients, by the listener that accepted them.',
    unit: 'short',
    queries: { '{{instance}} {{listener}}': `sum by (instance, listener) (${series('connections')})` },
  }),
  lines({
    title: 'Workers that ended',
    description: 'Unexpectedly: their connections break. 0 in good times.',
    unit: 'short',
    queries: { '{{instance}}': `sum by (instance) (increase(${series('worker_restarts_total')}[$rate]))` },
  }),
  lines({
    title: 'Dropped records',
    description:
      'Lines of the access log and spans of traces, because what takes them is too slow or away. No request waits for it.',
    unit: 'short',
    queries: {
      'lines {{instance}}': `sum by (instance) (increase(${series('access_log_dropped_total')}[$rate]))`,
      'spans {{instance}}': `sum by (instance) (increase(${series('trace_spans_dropped_total')}[$rate]))`,
    },
  }),
  lines({
    title: 'Refused at the admin API',
    description: 'Connections beyond admin.connections, and calls with unknown tokens.',
    unit: 'reqps',
    queries: {
      'connections {{instance}}': rate('instance', 'admin_connections_refused_total'),
      'wrong tokens {{instance}}': rate('instance', 'admin_wrong_tokens_total'),
    },
  }),
]
