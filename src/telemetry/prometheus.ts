import { collectDefaultMetrics, Registry } from 'prom-client'
import { EVENT_METRICS } from './metrics/event-metrics.ts'
import { INSTANCE_METRICS } from './metrics/instance-metrics.ts'
import type { Metric } from './metrics/metric.ts'
import { writeMetric } from './metrics/metric-text.ts'
import { Page } from './metrics/page.ts'
import { REQUEST_METRICS } from './metrics/request-metrics.ts'
import { ROLLOUT_METRICS } from './metrics/rollout-metrics.ts'
import { SERVER_METRICS } from './metrics/server-metrics.ts'
import type { MetricsSnapshot } from './metrics/snapshot.ts'
import { TALLY_METRICS } from './metrics/tally-metrics.ts'
import { TLS_METRICS } from './metrics/tls-metrics.ts'

export const METRIC_PREFIX = 'cutover_'
/** All metrics of our own, by subject. */
export const METRIC_GROUPS: readonly { readonly title: string; readonly metrics: readonly Metric[] }[] = [
  { title: 'Requests', metrics: REQUEST_METRICS },
  { title: 'Policies', metrics: TALLY_METRICS },
  { title: 'Servers', metrics: SERVER_METRICS },
  { title: 'Rollouts', metrics: ROLLOUT_METRICS },
  { title: 'TLS of listeners', metrics: TLS_METRICS },
  { title: 'Events and webhooks', metrics: EVENT_METRICS },
  { title: 'Instance', metrics: INSTANCE_METRICS },
]
/** Gauges of prom-client with the suffix of counters. They are removed; for each there is another gauge, by type. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/** Room for what is added from one page to the next. */
const ROOM = 1.1

/** The Prometheus page of an instance: its metrics, and those of the control process by prom-client. */
export class Exposition {
  readonly contentType: string
  private readonly registry = new Registry()
  private readonly takeSnapshot: () => Promise<MetricsSnapshot>
  /** Length of the last page, by which the next one is allocated. */
  private lastBytes = 0

  constructor(takeSnapshot: () => Promise<MetricsSnapshot>) {
    this.takeSnapshot = takeSnapshot
    this.contentType = this.registry.contentType
    collectDefaultMetrics({ register: this.registry, prefix: METRIC_PREFIX })
    for (const name of MISNAMED) this.registry.removeSingleMetric(`${METRIC_PREFIX}${name}`)
  }

  /** The page in UTF-8. */
  async text(): Promise<Buffer> {
    const [snapshot, ofProcess] = await Promise.all([this.takeSnapshot(), this.registry.metrics()])
    const page = new Page(this.lastBytes * ROOM)
    for (const { metrics } of METRIC_GROUPS) {
      for (const metric of metrics) {
        writeMetric(page, METRIC_PREFIX, metric, snapshot)
        page.write('\n')
      }
    }
    page.write(ofProcess)
    this.lastBytes = page.bytes.length
    return page.bytes
  }

  /** The metrics of prom-client: name, help and type. */
  get ofProcess(): readonly { readonly name: string; readonly help: string; readonly type: unknown }[] {
    return this.registry.getMetricsAsArray()
  }
}
