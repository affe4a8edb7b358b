// npm run metrics: writes docs/metrics.md from the metrics themselves.
import { writeFileSync } from 'node:fs'
import { Exposition, METRIC_GROUPS, METRIC_PREFIX } from '../src/telemetry/prometheus.ts'

const PAGE = new URL('../docs/metrics.md', import.meta.url)

const INTRODUCTION = `# Metrics

\`GET /metrics\` of the admin API is the Prometheus page of one instance and all its workers; scrape every instance. Its counts are kept
while workers and the control process are replaced, and begin anew with the instance. For figures of the whole fleet without Prometheus see
[figures](figures.md). [deploy/grafana/cutover.json](../deploy/grafana/cutover.json) is a dashboard of these metrics, and
[deploy/prometheus/alerts.yaml](../deploy/prometheus/alerts.yaml) has alerts; [Monitoring](operations.md#monitoring) says how to use them.

No path, host or address of a client is ever a label. The series of a pool, version or service that was removed are shown for two more
minutes, so that its last requests are scraped, and go then.

\`\`\`promql
# Share of the requests with a 5xx, by version
sum by (service, version) (rate(cutover_requests_total{code=~"5.."}[1m])) / sum by (service, version) (rate(cutover_requests_total[1m]))
# 95th percentile of the durations, by pool
histogram_quantile(0.95, sum by (service, pool, le) (rate(cutover_request_duration_seconds_bucket[1m])))
# Revisions by which instances are behind
scalar(max(cutover_revision)) - max by (exported_instance) (cutover_applied_revision) > 0
# Requests in flight by version
sum by (service, pool) (cutover_requests_in_flight)
  * on (service, pool) group_right () max by (service, pool, version) (cutover_pool_info)
\`\`\`

\`exported_instance\` is the label \`instance\` of \`cutover_applied_revision\`: Prometheus renames it, since \`instance\` is the address that it scrapes.

This page is written from the metrics themselves: \`npm run metrics\`.
`

interface Row {
  readonly name: string
  readonly type: string
  readonly labels: readonly string[]
  readonly help: string
}

/** The page docs/metrics.md. */
export function metricsPage(): string {
  const groups = METRIC_GROUPS.map(({ title, metrics }) =>
    section(
      title,
      metrics.map((metric) => ({ ...metric })),
    ),
  )
  const ofProcess = new Exposition(() => Promise.reject(new Error('not scraped'))).ofProcess.map(
    ({ name, help, type }): Row => ({ name: name.slice(METRIC_PREFIX.length), type: String(type), labels: [], help }),
  )
  const control = section('Control process', ofProcess, 'Of the process with the admin API, by prom-client.')
  return [INTRODUCTION, ...groups, control].join('\n')
}

function section(title: string, rows: readonly Row[], text = ''): string {
  const lines = rows.map(({ name, type, labels, help }) => {
    const named = labels.length === 0 ? '' : ` ${labels.map((label) => `\`${label}\``).join(', ')}`
    return `| \`${METRIC_PREFIX}${name}\` | ${type} |${named} | ${help} |`
  })
  return [
    `## ${title}`,
    '',
    ...(text === '' ? [] : [text, '']),
    '| metric | type | labels | meaning |',
    '| --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n')
}

if (process.argv[1] === import.meta.filename) writeFileSync(PAGE, metricsPage())
