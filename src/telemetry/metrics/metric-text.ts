import { REQUEST_BUCKETS_SECONDS } from '../histogram.ts'
import type { HistogramSample, Metric, Sample } from './metric.ts'
import type { Page } from './page.ts'
import type { MetricsSnapshot } from './snapshot.ts'

const ESCAPED: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' }
/** What follows the labels of each bucket. */
const BUCKET_ENDS = [...REQUEST_BUCKETS_SECONDS.map(String), '+Inf'].map((le) => `,le="${le}"} `)

/** Writes a metric in the text format of Prometheus (version 0.0.4). */
export function writeMetric(page: Page, prefix: string, metric: Metric, snapshot: MetricsSnapshot): void {
  const name = `${prefix}${metric.name}`
  page.write(`# HELP ${name} ${metric.help}\n# TYPE ${name} ${metric.type}\n`)
  if (metric.type === 'histogram')
    for (const sample of metric.read(snapshot)) page.write(histogram(name, metric.labels, sample))
  else for (const sample of metric.read(snapshot)) page.write(line(name, metric.labels, sample))
}

function line(name: string, labels: readonly string[], sample: Sample): string {
  return labels.length === 0
    ? `${name} ${sample.value}\n`
    : `${name}{${pairs(labels, sample.labels)}} ${sample.value}\n`
}

/** Cumulative buckets, sum and count; nothing if nothing was counted. */
function histogram(name: string, labels: readonly string[], sample: HistogramSample): string {
  const { buckets, sumSeconds } = sample.histogram
  const named = pairs(labels, sample.labels)
  const begin = `${name}_bucket{${named}`
  let count = 0
  let text = ''
  for (let i = 0; i < BUCKET_ENDS.length; i++) {
    count += buckets[i] ?? 0
    text += `${begin}${BUCKET_ENDS[i]}${count}\n`
  }
  return count === 0 ? '' : `${text}${name}_sum{${named}} ${sumSeconds}\n${name}_count{${named}} ${count}\n`
}

function pairs(labels: readonly string[], values: Sample['labels']): string {
  let text = ''
  for (const [i, label] of labels.entries()) text += `${i === 0 ? '' : ','}${label}="${escaped(String(values[i]))}"`
  return text
}

function escaped(value: string): string {
  return /[\\"\n]/.test(value) ? value.replace(/[\\"\n]/g, (each) => ESCAPED[each] as string) : value
}
