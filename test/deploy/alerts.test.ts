import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { promtool } from '../support/promtool.ts'
import { metricsOf, unknownIn } from './metric-catalog.ts'

const ROOT = join(import.meta.dirname, '../..')
const FOLDER = join(ROOT, 'deploy/prometheus')

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity?: string }
  readonly annotations: { readonly summary?: string; readonly description?: string; readonly runbook?: string }
}

interface RuleTest {
  readonly name: string
  readonly input_series: readonly { readonly series: string }[]
  readonly promql_expr_test: readonly { readonly exp_samples: readonly { readonly labels: string }[] }[]
}

async function yaml(file: string): Promise<unknown> {
  // The tests of the alerts share their expression, more often than the parser takes for harmless.
  return parse(await readFile(join(FOLDER, file), 'utf8'), { maxAliasCount: -1 })
}

const { groups } = (await yaml('alerts.yaml')) as { groups: readonly { readonly rules: readonly Rule[] }[] }
const rules = groups.flatMap((group) => group.rules)
const { tests } = (await yaml('alerts-test.yaml')) as { tests: readonly RuleTest[] }

/** Names of the alerts that a test expects at any time. */
function expectedIn({ promql_expr_test }: RuleTest): readonly string[] {
  return promql_expr_test
    .flatMap(({ exp_samples }) => exp_samples)
    .map(({ labels }) => /alertname="(\w+)"/.exec(labels)?.[1] ?? '')
}

/** The anchors of the headings of a page, as GitHub names them. */
function anchorsOf(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}

test('promtool accepts the alerts and the configuration', async () => {
  expect(await promtool(['check', 'rules', join(FOLDER, 'alerts.yaml')])).toMatchObject({
    code: 0,
    output: expect.stringContaining(`SUCCESS: ${rules.length} rules found`),
  })
  const config = await promtool(['check', 'config', '--syntax-only', join(FOLDER, 'prometheus.yaml')])
  expect(config).toMatchObject({ code: 0, output: expect.stringContaining('SUCCESS') })
})

test('the alerts fire when they should, and not when they should not', async () => {
  expect(await promtool(['test', 'rules', join(FOLDER, 'alerts-test.yaml')])).toMatchObject({ code: 0 })
}, 120_000)

test('the names of the alerts are unique', () => {
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
})

describe.each(rules)('$alert', ({ alert, expr, labels, annotations }) => {
  test('uses series and labels that instances expose', () => {
    expect(metricsOf(expr)).not.toEqual([])
    expect(unknownIn(expr)).toEqual([])
  })

  test('says how urgent it is, what has happened and what to do, and where to read on', async () => {
    expect(labels.severity).toMatch(/^(critical|warning|info)$/)
    expect(annotations.summary).toMatch(/\w/)
    expect(annotations.description).toMatch(/\w.*\.$/s)
    const [page = '', anchor = ''] = annotations.runbook?.split('#') ?? []
    expect(anchorsOf(await readFile(join(ROOT, page), 'utf8'))).toContain(anchor)
  })

  test('names in its text only labels that it has', async () => {
    const firing = tests.flatMap(({ promql_expr_test }) => promql_expr_test).flatMap(({ exp_samples }) => exp_samples)
    const has = firing.filter((sample) => sample.labels.includes(`"${alert}"`)).map((sample) => sample.labels)
    const text = `${annotations.summary} ${annotations.description}`
    for (const [, label = ''] of text.matchAll(/\$labels\.(\w+)/g)) expect(has.join()).toContain(`${label}="`)
  })

  test('has a test in which it fires, and one with the same metrics in which it does not', () => {
    const own = tests.filter(({ name }) => name.startsWith(`${alert} `))
    expect(own.some((each) => expectedIn(each).includes(alert))).toBe(true)
    const quiet = own.filter((each) => expectedIn(each).length === 0)
    const metrics = quiet.flatMap(({ input_series }) => input_series.flatMap(({ series }) => metricsOf(series)))
    expect(metrics).toEqual(expect.arrayContaining([...metricsOf(expr)]))
  })
})

test('the tests use series that instances expose', () => {
  const series = tests.flatMap(({ input_series }) => input_series.map((each) => each.series))
  expect(series.flatMap(unknownIn)).toEqual([])
  expect(unknownIn('sum by (pod) (cutover_nothing{a="b"} + cutover_revision{service="shop"})')).toEqual([
    'cutover_nothing',
    'cutover_revision{service}',
    'pod',
  ])
})
