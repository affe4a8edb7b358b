import {
  collectDefaultMetrics,
  type Metric,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from 'prom-client'
import type { Totals, Vitals } from '../model/messages.ts'
import type { ServerState } from '../model/state.ts'
import { REQUEST_BUCKETS_SECONDS } from './histogram.ts'

/** What an instance exposes, at the moment of a scrape. */
export interface Snapshot {
  readonly report: Totals
  readonly revision: number
  /** What each instance of the fleet that lives has in force. */
  readonly applied: readonly { readonly instance: string; readonly revision: number }[]
  readonly applyLagMs: number
  readonly storeUp: boolean
  readonly storeWritable: boolean
  readonly storeCounts: { readonly reloads: number; readonly lostRevisions: number; readonly restores: number }
  readonly admin: { readonly connections: number; readonly refusedConnections: number; readonly wrongTokens: number }
  readonly overrides: number
  readonly services: readonly string[]
  readonly processes: readonly (Vitals & { readonly role: string; readonly connections: number })[]
  readonly workerRestarts: number
  readonly accessLogDropped: number
  readonly splits: readonly { readonly service: string; readonly pool: string; readonly percent: number }[]
  readonly servers: readonly {
    readonly service: string
    readonly pool: string
    readonly server: string
    readonly state: ServerState
    readonly up: boolean
    readonly ejected: boolean
    readonly inFlight: number
    /** How long the last probe took; null where there was none. */
    readonly probeMs: number | null
  }[]
}

type Labels = Readonly<Record<string, string | number>>
interface Sample {
  readonly labels: Labels
  readonly value: number
  /** Where it is not the metric's own name: the parts of a histogram. */
  readonly name?: string
}

/** A metric whose values are read from elsewhere when it is scraped, instead of being kept twice. */
class ReadMetric {
  readonly name: string
  private readonly help: string
  private readonly type: 'counter' | 'gauge' | 'histogram'
  private readonly read: (snapshot: Snapshot) => readonly Sample[]
  private readonly snapshot: () => Snapshot

  constructor(
    type: 'counter' | 'gauge' | 'histogram',
    name: string,
    help: string,
    snapshot: () => Snapshot,
    read: (snapshot: Snapshot) => readonly Sample[],
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
    // Counts belong to the proxy halves.
  }
}

const STATES: readonly ServerState[] = ['ready', 'drain', 'maint']

/** The Prometheus page of an instance. */
export class Exposition {
  readonly contentType: string
  private readonly registry = new Registry()
  private readonly take: () => Promise<Snapshot>
  private current: Snapshot | null = null

  constructor(take: () => Promise<Snapshot>) {
    this.take = take
    this.contentType = this.registry.contentType
    collectDefaultMetrics({ register: this.registry, prefix: 'cutover_' })
    this.counter('requests_total', 'Requests answered, by status code.', ({ report }) =>
      report.series.flatMap(({ service, pool, version, codes }) =>
        Object.entries(codes).map(([code, value]) => ({ labels: { service, pool, version, code }, value })),
      ),
    )
    this.add('histogram', 'request_duration_seconds', 'From the request to the end of the response.', durations)
    this.counter('retries_total', 'Requests sent again to another server, by what had gone wrong.', ({ report }) =>
      report.retries.map(({ service, reason, count }) => ({ labels: { service, reason }, value: count })),
    )
    this.gauge('requests_in_flight', 'Requests and tunnels under way.', ({ servers }) =>
      servers.map(({ service, pool, server, inFlight }) => ({ labels: { service, pool, server }, value: inFlight })),
    )
    this.gauge('queued_requests', 'Requests waiting for a server that has reached its limit.', ({ report, services }) =>
      services.map((service) => ({ labels: { service }, value: report.queued[service] ?? 0 })),
    )
    this.gauge('server_up', 'Whether health checks have found the server up, and it is not ejected.', ({ servers }) =>
      servers.map(({ service, pool, server, up }) => ({ labels: { service, pool, server }, value: up ? 1 : 0 })),
    )
    this.gauge('server_ejected', 'Whether the server gets no requests because too many failed there.', ({ servers }) =>
      servers.map(({ service, pool, server, ejected }) => ({
        labels: { service, pool, server },
        value: ejected ? 1 : 0,
      })),
    )
    this.gauge('server_state', 'The state set by people: 1 for the one it is in.', ({ servers }) =>
      servers.flatMap(({ service, pool, server, state }) =>
        STATES.map((each) => ({ labels: { service, pool, server, state: each }, value: each === state ? 1 : 0 })),
      ),
    )
    this.gauge('probe_duration_seconds', 'How long the last health check of the server took.', ({ servers }) =>
      servers.flatMap(({ service, pool, server, probeMs }) =>
        probeMs === null ? [] : [{ labels: { service, pool, server }, value: probeMs / 1_000 }],
      ),
    )
    this.gauge('split_percent', 'Share of requests per pool.', ({ splits }) =>
      splits.map(({ service, pool, percent }) => ({ labels: { service, pool }, value: percent })),
    )
    this.gauge('revision', 'Revision of the state.', ({ revision }) => [{ labels: {}, value: revision }])
    this.gauge('applied_revision', 'Revision that each instance has in force in all its workers.', ({ applied }) =>
      applied.map(({ instance, revision }) => ({ labels: { instance }, value: revision })),
    )
    this.gauge(
      'apply_lag_seconds',
      'How long it took until all workers had the last change in force; while they have not, for how long it is due.',
      ({ applyLagMs }) => [{ labels: {}, value: applyLagMs / 1_000 }],
    )
    this.gauge('store_up', 'Whether the store can be reached.', ({ storeUp }) => [
      { labels: {}, value: storeUp ? 1 : 0 },
    ])
    this.gauge('store_writable', 'Whether the store takes changes, found by trying now and then.', (snapshot) => [
      { labels: {}, value: snapshot.storeWritable ? 1 : 0 },
    ])
    this.counter('store_reloads_total', 'Times the whole state was read anew: the feed had a gap.', (snapshot) => [
      { labels: {}, value: snapshot.storeCounts.reloads },
    ])
    this.counter(
      'store_restores_total',
      'Times an emptied or damaged store was filled again from here.',
      (snapshot) => [{ labels: {}, value: snapshot.storeCounts.restores }],
    )
    this.counter('store_lost_revisions_total', 'Revisions that the store has lost, as in a fail-over.', (snapshot) => [
      { labels: {}, value: snapshot.storeCounts.lostRevisions },
    ])
    this.gauge(
      'overrides',
      'What is overridden on this instance alone, while the store is away or takes no changes.',
      ({ overrides }) => [{ labels: {}, value: overrides }],
    )
    this.counter('worker_restarts_total', 'Workers that have ended unexpectedly.', ({ workerRestarts }) => [
      { labels: {}, value: workerRestarts },
    ])
    this.counter(
      'access_log_dropped_total',
      'Lines of the access log that were dropped: nobody read them in time, or the disk took none.',
      ({ accessLogDropped }) => [{ labels: {}, value: accessLogDropped }],
    )
    this.gauge('worker_cpu_percent', 'CPU of each process, of one core.', (snapshot) =>
      eachProcess(snapshot, ({ cpuPercent }) => cpuPercent),
    )
    this.gauge('worker_memory_bytes', 'Resident memory of each process.', (snapshot) =>
      eachProcess(snapshot, ({ memoryBytes }) => memoryBytes),
    )
    this.gauge('worker_event_loop_delay_seconds', 'How late timers of each process are, 99th percentile.', (snapshot) =>
      eachProcess(snapshot, ({ eventLoopDelayMs }) => eventLoopDelayMs / 1_000),
    )
    this.gauge('connections', 'Open connections of clients.', ({ report, admin }) => [
      { labels: { listener: 'proxy' }, value: report.connections },
      { labels: { listener: 'admin' }, value: admin.connections },
    ])
    this.counter(
      'admin_connections_refused_total',
      'Connections of the admin API that were closed because there were more than admin.connections.',
      ({ admin }) => [{ labels: {}, value: admin.refusedConnections }],
    )
    this.counter('admin_wrong_tokens_total', 'Requests to the admin API with an unknown token.', ({ admin }) => [
      { labels: {}, value: admin.wrongTokens },
    ])
  }

  async text(): Promise<string> {
    this.current = await this.take()
    return this.registry.metrics()
  }

  private counter(name: string, help: string, read: (snapshot: Snapshot) => readonly Sample[]): void {
    this.add('counter', name, help, read)
  }

  private gauge(name: string, help: string, read: (snapshot: Snapshot) => readonly Sample[]): void {
    this.add('gauge', name, help, read)
  }

  private add(
    type: 'counter' | 'gauge' | 'histogram',
    name: string,
    help: string,
    read: (snapshot: Snapshot) => readonly Sample[],
  ): void {
    const snapshot = (): Snapshot => {
      if (this.current === null) throw new Error('scraped before a snapshot was taken')
      return this.current
    }
    const metric = new ReadMetric(type, `cutover_${name}`, help, snapshot, read)
    this.registry.registerMetric(metric as unknown as Metric)
  }
}

function eachProcess({ processes }: Snapshot, value: (vitals: Vitals) => number): readonly Sample[] {
  return processes.map((each) => ({ labels: { role: each.role, pid: each.pid }, value: value(each) }))
}

/** Cumulative buckets, sum and count of every series, as Prometheus wants a histogram. */
function durations({ report }: Snapshot): readonly Sample[] {
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
