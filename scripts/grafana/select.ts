import { METRIC_GROUPS, METRIC_PREFIX } from '../../src/telemetry/prometheus.ts'

const METRICS = new Map(METRIC_GROUPS.flatMap(({ metrics }) => metrics).map((metric) => [metric.name, metric]))
const OF_TARGET = ['job="$job"', 'instance=~"$instance"']
const OF_SERVICE = 'service=~"$service"'

/**
 * Selects the series of a metric (its name without the prefix) that the variables of the dashboard stand for. Throws if
 * there is no such metric.
 */
export function series(name: string, ...matchers: readonly string[]): string {
  const metric = METRICS.get(name.replace(/_(bucket|sum|count)$/, ''))
  if (metric === undefined) throw new Error(`there is no metric ${METRIC_PREFIX}${name}`)
  const ofService = metric.labels.includes('service') ? [OF_SERVICE] : []
  return `${METRIC_PREFIX}${name}{${[...OF_TARGET, ...ofService, ...matchers].join(', ')}}`
}

/** Increase of counters each second, summed up by labels. */
export function rate(by: string, name: string, ...matchers: readonly string[]): string {
  return `sum by (${by}) (rate(${series(name, ...matchers)}[$rate]))`
}

/** Share of the events with the matchers among all, 0 to 1; nothing while there are none. */
export function share(by: string, name: string, ...matchers: readonly string[]): string {
  const all = rate(by, name)
  return `(${rate(by, name, ...matchers)} or 0 * ${all}) / (${all} > 0)`
}

/** Percentile (0 to 1) of a histogram of durations, seconds. */
export function percentile(of: number, by: string, name: string): string {
  return `histogram_quantile(${of}, ${rate(`${by}, le`, `${name}_bucket`)})`
}

/** Adds the version of the pool to an expression by `service, pool`. */
export function withVersion(byPool: string): string {
  return `${byPool} * on (service, pool) group_right () max by (service, pool, version) (${series('pool_info')})`
}
