import {
  collectDefaultMetrics,
  type Metric,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from 'prom-client'
import type { TallyKind, TallyReport, Totals, Vitals } from '../model/messages.ts'
import type { ServerState } from '../model/state.ts'
import { EVENT_METRICS, type EventFigures } from './event-metrics.ts'
import { REQUEST_BUCKETS_SECONDS } from './histogram.ts'

/** Data of an instance at the moment of a scrape. */
export interface MetricsSnapshot {
  readonly report: Totals
  readonly revision: number
  /** The revision in force at each live instance of the fleet. */
  readonly applied: readonly { readonly instance: string; readonly revision: number }[]
  readonly applyLagMs: number
  readonly storeUp: boolean
  readonly storeWritable: boolean
  readonly storeCounts: { readonly reloads: number; readonly lostRevisions: number; readonly restores: number }
  readonly admin: {
    readonly listeners: Readonly<Record<string, number>>
    readonly refusedConnections: number
    readonly wrongTokens: number
  }
  readonly events: EventFigures
  readonly overrides: number
  /** Services that wait for the servers of a new definition. */
  readonly handovers: number
  readonly services: readonly { readonly name: string; readonly mode: (typeof MODES)[number] }[]
  readonly processes: readonly (Vitals & { readonly role: string; readonly connections: number })[]
  readonly workerRestarts: number
  readonly accessLogDropped: number
  readonly splits: readonly { readonly service: string; readonly pool: string; readonly percent: number }[]
  /** Pools with backups. */
  readonly backups: readonly { readonly service: string; readonly pool: string; readonly inUse: boolean }[]
  readonly servers: readonly {
    readonly service: string
    readonly pool: string
    readonly server: string
    readonly state: ServerState
    readonly weight: number
    readonly up: boolean
    readonly ejected: boolean
    readonly inFlight: number
    /** Duration of the last probe; null = there was none. */
    readonly probeMs: number | null
  }[]
}

type Labels = Readonly<Record<string, string | number>>
interface Sample {
  readonly labels: Labels
  readonly value: number
  /** Name if it differs from the metric's own, as for the parts of a histogram. */
  readonly name?: string
}

/** A metric whose values are read from the snapshot when it is scraped, instead of being stored a second time. */
class ReadMetric {
  readonly name: string
  private readonly help: string
  private readonly type: 'counter' | 'gauge' | 'histogram'
  private readonly read: (snapshot: MetricsSnapshot) => readonly Sample[]
  private readonly snapshot: () => MetricsSnapshot

  constructor(
    type: 'counter' | 'gauge' | 'histogram',
    name: string,
    help: string,
    snapshot: () => MetricsSnapshot,
    read: (snapshot: MetricsSnapshot) => readonly Sample[],
  ) {
    this.type = type
    this.name = name
    this.help = help
    this.snapshot = snapshot
    this.read = read
  }

  async get(): Promise<MetricObjectWithValues<MetricValue<string>>> {
    const values = this.read(this.snapshot()).map(({ labels, value, name }) => ({
      labels,
      value,
      ...(name === undefined ? {} : { metricName: name }),
    }))
    const { name, help, type } = this
    return { name, help, type, values, aggregator: 'sum' } as unknown as MetricObjectWithValues<MetricValue<string>>
  }

  reset(): void {
    // The counts belong to the data planes, and cannot be reset from here.
  }
}

const PREFIX = 'cutover_'
/** The metric of each kind of tally; `label`: the name of its label, empty = none. */
const TALLIES: readonly { kind: TallyKind; name: string; label: string; help: string }[] = [
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
/** Gauges of prom-client with the suffix of counters. They are removed; for each there is another gauge, by type. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']
const MODES = ['serving', 'paused', 'stopped'] as const
const STATES: readonly ServerState[] = ['ready', 'drain', 'maint']

/** The Prometheus page of an instance. */
export class Exposition {
  readonly contentType: string
  private readonly registry = new Registry()
  private readonly takeSnapshot: () => Promise<MetricsSnapshot>
  private current: MetricsSnapshot | null = null

  constructor(takeSnapshot: () => Promise<MetricsSnapshot>) {
    this.takeSnapshot = takeSnapshot
    this.contentType = this.registry.contentType
    collectDefaultMetrics({ register: this.registry, prefix: PREFIX })
    for (const name of MISNAMED) this.registry.removeSingleMetric(`${PREFIX}${name}`)
    this.counter('requests_total', 'Requests answered, by status code.', ({ report }) =>
      report.series.flatMap(({ service, pool, version, codes }) =>
        Object.entries(codes).map(([code, value]) => ({ labels: { service, pool, version, code }, value })),
      ),
    )
    this.add(
      'histogram',
      'request_duration_seconds',
      'Time from the header of the request to the end of the response.',
      durations,
    )
    for (const { kind, name, label, help } of TALLIES) {
      this.counter(name, help, ({ report }) =>
        report.tallies
          .filter((tally) => tally.kind === kind)
          .map((tally) => ({ labels: labelsOf(tally, label), value: tally.count })),
      )
    }
    this.gauge('requests_in_flight', 'Requests and tunnels in flight.', ({ servers }) =>
      servers.map(({ service, pool, server, inFlight }) => ({ labels: { service, pool, server }, value: inFlight })),
    )
    this.gauge(
      'queued_requests',
      'Requests queued because all servers have reached their limits.',
      ({ report, services }) =>
        services.map(({ name }) => ({ labels: { service: name }, value: report.queued[name] ?? 0 })),
    )
    this.gauge('held_requests', 'Requests held because their service is paused.', ({ report, services }) =>
      services.map(({ name }) => ({ labels: { service: name }, value: report.held[name] ?? 0 })),
    )
    this.gauge('service_mode', 'Mode of the service: 1 for the current one, 0 for the others.', ({ services }) =>
      services.flatMap(({ name, mode }) =>
        MODES.map((each) => ({ labels: { service: name, mode: each }, value: each === mode ? 1 : 0 })),
      ),
    )
    this.gauge('server_up', '1 if health checks have found the server up and it is not ejected.', ({ servers }) =>
      servers.map(({ service, pool, server, up }) => ({ labels: { service, pool, server }, value: up ? 1 : 0 })),
    )
    this.gauge('server_ejected', '1 if the server gets no requests because too many failed there.', ({ servers }) =>
      servers.map(({ service, pool, server, ejected }) => ({
        labels: { service, pool, server },
        value: ejected ? 1 : 0,
      })),
    )
    this.gauge(
      'backups_in_use',
      '1 while the backups of a pool take its requests; pools with backups.',
      ({ backups }) => backups.map(({ service, pool, inUse }) => ({ labels: { service, pool }, value: inUse ? 1 : 0 })),
    )
    this.gauge('server_weight', 'Weight of the server; in slow start, the part of it that it has now.', ({ servers }) =>
      servers.map(({ service, pool, server, weight }) => ({ labels: { service, pool, server }, value: weight })),
    )
    this.gauge('server_state', 'State set by people: 1 for the current one, 0 for the others.', ({ servers }) =>
      servers.flatMap(({ service, pool, server, state }) =>
        STATES.map((each) => ({ labels: { service, pool, server, state: each }, value: each === state ? 1 : 0 })),
      ),
    )
    this.gauge('probe_duration_seconds', 'Duration of the last health check of the server.', ({ servers }) =>
      servers.flatMap(({ service, pool, server, probeMs }) =>
        probeMs === null ? [] : [{ labels: { service, pool, server }, value: probeMs / 1_000 }],
      ),
    )
    this.gauge('split_percent', 'Share of requests per pool, in percent.', ({ splits }) =>
      splits.map(({ service, pool, percent }) => ({ labels: { service, pool }, value: percent })),
    )
    this.gauge('revision', 'Revision of the state.', ({ revision }) => [{ labels: {}, value: revision }])
    this.gauge('applied_revision', 'Revision in force in all workers of each instance.', ({ applied }) =>
      applied.map(({ instance, revision }) => ({ labels: { instance }, value: revision })),
    )
    this.gauge(
      'apply_lag_seconds',
      'Time until all workers had the last change in force; until then, the time since the change.',
      ({ applyLagMs }) => [{ labels: {}, value: applyLagMs / 1_000 }],
    )
    this.gauge('store_up', '1 if the store can be reached.', ({ storeUp }) => [{ labels: {}, value: storeUp ? 1 : 0 }])
    this.gauge('store_writable', '1 if the store takes changes, as found by trying from time to time.', (snapshot) => [
      { labels: {}, value: snapshot.storeWritable ? 1 : 0 },
    ])
    this.counter(
      'store_reloads_total',
      'Number of times the whole state was read again because of a gap in the feed.',
      (snapshot) => [{ labels: {}, value: snapshot.storeCounts.reloads }],
    )
    this.counter(
      'store_restores_total',
      'Number of times this instance restored an emptied or damaged store.',
      (snapshot) => [{ labels: {}, value: snapshot.storeCounts.restores }],
    )
    this.counter(
      'store_lost_revisions_total',
      'Revisions that the store has lost, for example in a failover.',
      (snapshot) => [{ labels: {}, value: snapshot.storeCounts.lostRevisions }],
    )
    this.gauge(
      'handovers_pending',
      'Services that keep their previous definition until the servers of the new one are up.',
      ({ handovers }) => [{ labels: {}, value: handovers }],
    )
    this.gauge(
      'overrides',
      'Overrides in force on this instance only, while the store is away or takes no changes.',
      ({ overrides }) => [{ labels: {}, value: overrides }],
    )
    for (const { type, name, help, read } of EVENT_METRICS) this.add(type, name, help, ({ events }) => read(events))
    this.counter('worker_restarts_total', 'Number of workers that have ended unexpectedly.', ({ workerRestarts }) => [
      { labels: {}, value: workerRestarts },
    ])
    this.counter(
      'access_log_dropped_total',
      'Lines of the access log dropped because they were not read in time or could not be written.',
      ({ accessLogDropped }) => [{ labels: {}, value: accessLogDropped }],
    )
    this.gauge('worker_cpu_percent', 'CPU usage of each process, in percent of one core.', (snapshot) =>
      eachProcess(snapshot, ({ cpuPercent }) => cpuPercent),
    )
    this.gauge('worker_memory_bytes', 'Resident memory of each process.', (snapshot) =>
      eachProcess(snapshot, ({ memoryBytes }) => memoryBytes),
    )
    this.gauge('worker_event_loop_delay_seconds', 'Delay of timers in each process, 99th percentile.', (snapshot) =>
      eachProcess(snapshot, ({ eventLoopDelayMs }) => eventLoopDelayMs / 1_000),
    )
    this.gauge('connections', 'Open connections, by the listener that accepted them.', ({ report, admin }) =>
      Object.entries({ ...report.listeners, ...admin.listeners }).map(([listener, value]) => ({
        labels: { listener },
        value,
      })),
    )
    this.counter(
      'admin_connections_refused_total',
      'Connections to the admin API closed because admin.connections were open already.',
      ({ admin }) => [{ labels: {}, value: admin.refusedConnections }],
    )
    this.counter('admin_wrong_tokens_total', 'Requests to the admin API with an unknown token.', ({ admin }) => [
      { labels: {}, value: admin.wrongTokens },
    ])
  }

  async text(): Promise<string> {
    this.current = await this.takeSnapshot()
    return this.registry.metrics()
  }

  private counter(name: string, help: string, read: (snapshot: MetricsSnapshot) => readonly Sample[]): void {
    this.add('counter', name, help, read)
  }

  private gauge(name: string, help: string, read: (snapshot: MetricsSnapshot) => readonly Sample[]): void {
    this.add('gauge', name, help, read)
  }

  private add(
    type: 'counter' | 'gauge' | 'histogram',
    name: string,
    help: string,
    read: (snapshot: MetricsSnapshot) => readonly Sample[],
  ): void {
    const snapshot = (): MetricsSnapshot => {
      if (this.current === null) throw new Error('scraped before a snapshot was taken')
      return this.current
    }
    const metric = new ReadMetric(type, `${PREFIX}${name}`, help, snapshot, read)
    this.registry.registerMetric(metric as unknown as Metric)
  }
}

function labelsOf({ service, label }: TallyReport, name: string): Labels {
  return name === '' ? { service } : { service, [name]: label }
}

function eachProcess({ processes }: MetricsSnapshot, value: (vitals: Vitals) => number): readonly Sample[] {
  return processes.map((each) => ({ labels: { role: each.role, pid: each.pid }, value: value(each) }))
}

/** Cumulative buckets, sum and count of every series, as Prometheus wants a histogram. */
function durations({ report }: MetricsSnapshot): readonly Sample[] {
  const name = 'cutover_request_duration_seconds'
  return report.series.flatMap(({ service, pool, version, buckets, sumSeconds }) => {
    const labels = { service, pool, version }
    let count = 0
    const samples: Sample[] = buckets.map((inBucket, i) => {
      count += inBucket
      const le = REQUEST_BUCKETS_SECONDS[i] ?? '+Inf'
      return { name: `${name}_bucket`, labels: { le, ...labels }, value: count }
    })
    samples.push({ name: `${name}_sum`, labels, value: sumSeconds })
    samples.push({ name: `${name}_count`, labels, value: count })
    return samples
  })
}
