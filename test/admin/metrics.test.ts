import { hostname } from 'node:os'
import { describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { useShop } from './support.ts'

const shop = useShop()

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}
interface Family {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: readonly Sample[]
}

/** Reads Prometheus' text format 0.0.4, and throws where it is not that. */
function parse(text: string): Family[] {
  const families = new Map<string, { type: string; help: string; samples: Sample[] }>()
  const helps = new Map<string, string>()
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) ([a-z_:][a-z0-9_:]*) (.+)$/.exec(line) ?? []
    if (keyword === 'HELP') helps.set(name, rest)
    else if (keyword === 'TYPE') {
      if (families.has(name)) throw new Error(`${name} is there twice`)
      families.set(name, { type: rest, help: helps.get(name) ?? '', samples: [] })
    } else {
      const [, sample = '', labels = '', value = ''] = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
      const family = families.get(sample) ?? families.get(sample.replace(/_(bucket|sum|count)$/, ''))
      const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value)
      // As Go reads it; figures of the event loop that were not taken since the last scrape.
      const isNumber = !Number.isNaN(number) || /^nan$/i.test(value)
      if (family === undefined || !isNumber || value === '') throw new Error(`malformed: ${line}`)
      family.samples.push({ name: sample, labels: labelsOf(labels), value: number })
    }
  }
  return [...families].map(([name, family]) => ({ name, ...family }))
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  const left = text.replace(
    /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/g,
    (_match, name: string, value: string) => {
      if (name in labels) throw new Error(`label ${name} twice in ${text}`)
      labels[name] = value
      return ''
    },
  )
  if (left !== '') throw new Error(`malformed labels: ${text}`)
  return labels
}

async function scrape(): Promise<Family[]> {
  const { status, headers, body } = await shop.api('GET', '/metrics')
  expect([status, headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
  return parse(body)
}

/** The values of a metric by the labels that are asked for; those of `shop` where it has services. */
async function values(metric: string, ...by: readonly string[]): Promise<Record<string, number>> {
  const family = (await scrape()).find(({ name }) => name === `cutover_${metric}`)
  const samples = (family?.samples ?? []).filter(({ name, labels }) => {
    return name === `cutover_${metric}` && (labels.service === undefined || labels.service === 'shop')
  })
  return Object.fromEntries(samples.map(({ labels, value }) => [by.map((label) => labels[label]).join('/'), value]))
}

test('is valid: every sample belongs to a declared family, none is there twice, all names begin with cutover_', async () => {
  await shop.ask()
  const families = await scrape()
  for (const { name, type, help, samples } of families) {
    expect(name).toMatch(/^cutover_/)
    expect(['counter', 'gauge', 'histogram']).toContain(type)
    expect(help.length).toBeGreaterThan(5)
    expect(name.endsWith('_total')).toBe(type === 'counter')
    const series = samples.map((sample) => `${sample.name}${JSON.stringify(Object.entries(sample.labels).toSorted())}`)
    expect(new Set(series).size).toBe(series.length)
    for (const { value } of samples) if (type !== 'gauge') expect(value).toBeGreaterThanOrEqual(0)
  }
})

test('has the names and labels of the specification', async () => {
  await shop.ask()
  const families = new Map((await scrape()).map((family) => [family.name, family]))
  const expected: Readonly<Record<string, readonly string[]>> = {
    requests_total: ['code', 'pool', 'service', 'version'],
    request_duration_seconds: ['le', 'pool', 'service', 'version'],
    requests_in_flight: ['pool', 'server', 'service'],
    server_up: ['pool', 'server', 'service'],
    server_ejected: ['pool', 'server', 'service'],
    server_state: ['pool', 'server', 'service', 'state'],
    probe_duration_seconds: ['pool', 'server', 'service'],
    split_percent: ['pool', 'service'],
    pool_info: ['pool', 'service', 'version'],
    revision: [],
    applied_revision: ['instance'],
    connections: ['listener'],
  }
  for (const [name, labels] of Object.entries(expected)) {
    const sample = families.get(`cutover_${name}`)?.samples[0]
    expect([name, Object.keys(sample?.labels ?? { missing: '' }).toSorted()]).toEqual([name, labels])
  }
  for (const name of [
    'retries_total',
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'nodejs_eventloop_lag_seconds',
  ]) {
    expect(families.has(`cutover_${name}`)).toBe(true)
  }
})

describe('counts', () => {
  const total = async () => values('requests_total', 'pool', 'version', 'code')

  test('requests by pool, version and code, exactly; errors too', async () => {
    const before = await total()
    for (let i = 0; i < 7; i++) await shop.ask()
    await shop.done('POST', '/api/services/shop/switch?wait=10s')
    for (let i = 0; i < 5; i++) await shop.ask('/x', { method: 'POST', body: 'y' })
    for (const server of ['green1', 'green2']) await shop.done('POST', `/api/servers/${server}/disable?force&wait=10s`)
    expect(await shop.ask()).toBe('503')
    const after = await total()
    const grown = (key: string) => (after[key] ?? 0) - (before[key] ?? 0)
    expect([grown('blue/1.4.2/200'), grown('green/1.5.0/200'), grown('//503')]).toEqual([7, 5, 1])
    expect(Object.keys(after).every((key) => /\/(200|503)$/.test(key))).toBe(true)
  })

  test('durations in cumulative buckets that end with the count', async () => {
    for (let i = 0; i < 9; i++) await shop.ask()
    const family = (await scrape()).find(({ name }) => name === 'cutover_request_duration_seconds')
    const mine = (family?.samples ?? []).filter(({ labels }) => labels.service === 'shop' && labels.pool === 'blue')
    const buckets = mine.filter(({ name }) => name.endsWith('_bucket'))
    const bounds = buckets.map(({ labels }) => Number(labels.le === '+Inf' ? Number.POSITIVE_INFINITY : labels.le))
    expect(bounds).toEqual(bounds.toSorted((a, b) => a - b))
    expect(bounds.at(-1)).toBe(Number.POSITIVE_INFINITY)
    const counts = buckets.map(({ value }) => value)
    expect(counts).toEqual(counts.toSorted((a, b) => a - b))
    const [count] = mine.filter(({ name }) => name.endsWith('_count'))
    const [sum] = mine.filter(({ name }) => name.endsWith('_sum'))
    expect(count?.value).toBe(counts.at(-1))
    expect(count?.value).toBe((await total())['blue/1.4.2/200'])
    expect(sum?.value).toBeGreaterThan(0)
  })

  test('requests in flight, which return to zero', async () => {
    const asked = [shop.ask('/hold'), shop.ask('/hold'), shop.ask('/hold')]
    await until(() => shop.server('blue1').requests.length + shop.server('blue2').requests.length === 3)
    const busy = await values('requests_in_flight', 'server')
    expect((busy.blue1 ?? 0) + (busy.blue2 ?? 0)).toBe(3)
    expect([busy.green1, busy.green2]).toEqual([0, 0])
    const open = await values('connections', 'listener')
    expect(open[new URL(shop.cutover.proxy).host]).toBeGreaterThanOrEqual(3)
    shop.held.release()
    await Promise.all(asked)
    expect(await values('requests_in_flight', 'server')).toEqual({ blue1: 0, blue2: 0, green1: 0, green2: 0 })
  })

  test('the current split, states, health and revision', async () => {
    await shop.done('POST', '/api/services/shop/shift', { to: 'green', percent: 12.34 })
    await shop.done('POST', '/api/servers/green1/disable')
    await shop.done('PATCH', '/api/servers/green2?force', { state: 'maint' })
    shop.server('blue1').health = 503
    const { revision } = await shop.done('PATCH', '/api/servers/blue2?wait=10s', { weight: 2 })
    await until(async () => (await values('server_up', 'server')).blue1 === 0)
    expect(await values('split_percent', 'pool')).toEqual({ blue: 87.66, green: 12.34 })
    expect(await values('pool_info', 'pool', 'version')).toEqual({ 'blue/1.4.2': 1, 'green/1.5.0': 1 })
    expect(await values('server_up', 'server')).toEqual({ blue1: 0, blue2: 1, green1: 1, green2: 0 })
    const states = Object.entries(await values('server_state', 'server', 'state'))
    expect(states).toHaveLength(12)
    expect(states.filter(([, value]) => value === 1).map(([key]) => key)).toEqual([
      'blue1/ready',
      'blue2/ready',
      'green1/drain',
      'green2/maint',
    ])
    expect(await values('revision')).toEqual({ '': revision })
    expect(await values('applied_revision', 'instance')).toEqual({ [hostname()]: revision })
    const probes = await values('probe_duration_seconds', 'server')
    expect(Object.keys(probes)).toEqual(['blue1', 'blue2', 'green1'])
    for (const seconds of Object.values(probes)) expect(seconds).toBeLessThan(5)
  })

  test('no label is a path or a host', async () => {
    await shop.ask('/secret-path?token=1')
    const { body } = await shop.api('GET', '/metrics')
    expect(body).not.toContain('secret-path')
    // But for the addresses where connections are taken.
    expect((body as string).replaceAll(/^cutover_connections\{.*$/gm, '')).not.toContain('127.0.0.1')
  })
})
