import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { dashboard } from '../../scripts/grafana.ts'
import { METRIC_GROUPS, METRIC_PREFIX } from '../../src/telemetry/prometheus.ts'
import { promtool } from '../support/promtool.ts'
import { METRIC_NAMES, metricsOf, unknownIn } from './metric-catalog.ts'

const FILE = join(import.meta.dirname, '../../deploy/grafana/cutover.json')
const COLUMNS = 24

/** Metrics that the dashboard does not show, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  cutover_store_reloads_total:
    'reading the whole state again after a gap in the feed is harmless, and asks nothing of anybody',
}

interface Target {
  readonly refId: string
  readonly expr: string
  readonly legendFormat: string
}

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets: readonly Target[]
  /** Those of a row that is collapsed. */
  readonly panels?: readonly Panel[]
  readonly fieldConfig: {
    readonly defaults: { readonly unit?: string; readonly mappings?: readonly object[] }
    readonly overrides: readonly { readonly properties: readonly { readonly id: string }[] }[]
  }
}

interface Dashboard {
  readonly uid: string
  readonly schemaVersion: number
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
  readonly annotations: {
    readonly list: readonly { readonly name: string; readonly target: { readonly expr: string } }[]
  }
}

const text = await readFile(FILE, 'utf8')
const board = JSON.parse(text) as Dashboard
const all = board.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])])
const panels = all.filter(({ type }) => type !== 'row')
const queries = panels.flatMap(({ title, targets }) => targets.map((target) => ({ title, ...target })))
const annotations = board.annotations.list.map(({ name, target }) => ({
  title: name,
  expr: target.expr,
  legendFormat: '',
}))
const types = new Map(
  METRIC_GROUPS.flatMap(({ metrics }) => metrics).map(({ name, type }) => [METRIC_PREFIX + name, type]),
)

/** What Grafana makes of an expression. */
function withValues(expr: string): string {
  return expr
    .replaceAll('$rate', '1m')
    .replaceAll('$job', 'cutover')
    .replaceAll(/\$(instance|service)/g, '.*')
}

test('the file is what npm run grafana writes', () => {
  expect(board).toEqual(dashboard())
})

test('it can be imported anywhere: one uid, a current schema, the data source a variable', () => {
  expect([board.uid, board.schemaVersion]).toEqual(['cutover', 42])
  const sources = [...text.matchAll(/"datasource": (\{[^}]*\})/g)].map(([, source = '']) => JSON.parse(source))
  expect(sources.length).toBeGreaterThan(panels.length)
  for (const source of sources) expect(source).toEqual({ type: 'prometheus', uid: '$datasource' })
  const names = board.templating.list.map(({ name }) => name)
  expect(names).toEqual(['datasource', 'job', 'service', 'instance', 'rate'])
  const used = new Set([...text.matchAll(/\$(\w+)/g)].map(([, name = '']) => name))
  used.delete('__all')
  expect([...used].toSorted()).toEqual(names.toSorted())
})

test('panels have ids and titles of their own, and lie side by side', () => {
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
  expect(new Set(all.map(({ title }) => title)).size).toBe(all.length)
  const taken = new Map<string, string>()
  for (const { title, gridPos } of all) {
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(COLUMNS)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect([title, taken.get(`${x}/${y}`)]).toEqual([title, undefined])
        taken.set(`${x}/${y}`, title)
      }
  }
})

test.each(panels)('$title has a description, and a unit or names for its values', ({ description, fieldConfig }) => {
  expect(description).toMatch(/\.$/)
  const { unit, mappings = [] } = fieldConfig.defaults
  const units = fieldConfig.overrides.flatMap(({ properties }) => properties).filter(({ id }) => id === 'unit')
  expect((unit === undefined ? 0 : 1) + mappings.length + units.length).toBeGreaterThan(0)
})

test('promtool accepts every expression', async () => {
  const exprs = [...queries, ...annotations].map(({ expr }) => withValues(expr))
  expect(exprs.join()).not.toContain('$')
  const rules = exprs.map((expr, index) => ({ record: `panel:${index}`, expr }))
  const folder = await mkdtemp(join(tmpdir(), 'cutover-dashboard-'))
  const file = join(folder, 'rules.yaml')
  await writeFile(file, stringify({ groups: [{ name: 'dashboard', rules }] }))
  const checked = await promtool(['check', 'rules', file])
  await rm(folder, { recursive: true })
  expect(checked).toMatchObject({ code: 0, output: expect.stringContaining(`${exprs.length} rules found`) })
})

describe.each([...queries, ...annotations])('$title: $expr', ({ expr, legendFormat }) => {
  test('uses series and labels that instances expose, of the selected fleet and instances', () => {
    expect(metricsOf(expr).length).toBeGreaterThan(0)
    expect(unknownIn(expr)).toEqual([])
    for (const [, matchers] of expr.matchAll(/cutover_\w+(?:\{([^}]*)\})?/g))
      expect(matchers).toMatch(/^job="\$job", instance=~"\$instance"/)
  })

  test('takes rates of counters and values of gauges', () => {
    for (const [, rate, series = ''] of expr.matchAll(/(?:(rate|increase)\()?(cutover_\w+)/g)) {
      const isGauge = types.get(series) === 'gauge'
      expect([series, rate !== undefined]).toEqual([series, !isGauge])
    }
    for (const [call] of expr.matchAll(/histogram_quantile\([^[]*/g))
      expect(call).toMatch(/^\S+ sum by \([^)]*\ble\) \(rate\(/)
  })

  test('keeps the labels that its legend names', () => {
    const kept = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', '))
    for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect(kept).toContain(label)
  })
})

test('it shows every metric, except those that say nothing to somebody who deploys', () => {
  const shown = new Set(queries.flatMap(({ expr }) => metricsOf(expr)))
  const missing = METRIC_NAMES.filter((name) => !shown.has(name))
  expect(missing).toEqual(Object.keys(LEFT_OUT))
})
