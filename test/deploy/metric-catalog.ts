import { Exposition, METRIC_GROUPS, METRIC_PREFIX } from '../../src/telemetry/prometheus.ts'

const HISTOGRAM_SERIES = { _bucket: ['le'], _sum: [], _count: [] } as const
/** Labels that Prometheus adds to all series of a target. */
const TARGET = ['job', 'instance']
/** The name that Prometheus gives to a label `instance` of a metric, since that is the name of a label of the target. */
const EXPORTED = 'exported_instance'

const ofProcess = new Exposition(() => Promise.reject(new Error('not scraped'))).ofProcess

/** Names of all metrics that an instance exposes, with the prefix. */
export const METRIC_NAMES: readonly string[] = METRIC_GROUPS.flatMap(({ metrics }) =>
  metrics.map(({ name }) => METRIC_PREFIX + name),
)

/** By name of a series in Prometheus: its labels. */
const SERIES: ReadonlyMap<string, readonly string[]> = new Map([
  ['up', TARGET],
  ...ofProcess.map(({ name }): [string, string[]] => [name, TARGET]),
  ...METRIC_GROUPS.flatMap(({ metrics }) => metrics).flatMap(({ name, type, labels }): [string, string[]][] => {
    const all = [...TARGET, ...labels.map((label) => (label === 'instance' ? EXPORTED : label))]
    const series = METRIC_PREFIX + name
    if (type !== 'histogram') return [[series, all]]
    return Object.entries(HISTOGRAM_SERIES).map(([suffix, more]) => [series + suffix, [...all, ...more]])
  }),
])

/** A series that an expression selects, with the labels that it names. */
interface Selector {
  readonly series: string
  readonly labels: readonly string[]
}

/** Names of the metrics that an expression selects; those of histograms without a suffix. */
export function metricsOf(expr: string): readonly string[] {
  return selectorsOf(expr).map(({ series }) =>
    METRIC_NAMES.includes(series) ? series : series.replace(/_(bucket|sum|count)$/, ''),
  )
}

/** What an expression names that no instance exposes: series, and labels that these do not have. */
export function unknownIn(expr: string): readonly string[] {
  const selectors = selectorsOf(expr)
  const wrong = selectors.flatMap(({ series, labels }) => {
    const known = SERIES.get(series)
    if (known === undefined) return [series]
    return labels.filter((label) => !known.includes(label)).map((label) => `${series}{${label}}`)
  })
  const known = selectors.flatMap(({ series }) => SERIES.get(series) ?? [])
  const grouped = [...expr.matchAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g)]
    .flatMap(([, list = '']) => list.split(','))
    .map((label) => label.trim())
    .filter((label) => label !== '' && !known.includes(label))
  return [...wrong, ...grouped]
}

function selectorsOf(expr: string): readonly Selector[] {
  return [...expr.matchAll(/\b(cutover_\w+|up)\b(?:\{([^}]*)\})?/g)].map(([, series = '', matchers = '']) => ({
    series,
    labels: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"[^"]*"/g)].map(([, label = '']) => label),
  }))
}
