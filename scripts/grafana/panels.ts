/** The data source of the variable, so that the dashboard can be imported anywhere. */
export const DATA_SOURCE = { type: 'prometheus', uid: '$datasource' }

export interface Panel {
  readonly type: string
  readonly title: string
  /** What the panel shows and what to make of it. */
  readonly description: string
  /** Of 24 columns. */
  readonly width: number
  readonly height: number
  readonly targets: readonly object[]
  readonly [option: string]: unknown
}

/** A step of a threshold: from `value` on (null = from the beginning) the colour. */
export interface Step {
  readonly value: number | null
  readonly color: string
}

/** By the text of its legend: an expression of Prometheus. */
export type Queries = Readonly<Record<string, string>>

interface Described {
  readonly title: string
  readonly description: string
  readonly width?: number
  readonly queries: Queries
}

const HEIGHT = 8

/** Steps of green, yellow and red. */
export function thresholds(yellow: number, red: number): readonly Step[] {
  return [
    { value: null, color: 'green' },
    { value: yellow, color: 'yellow' },
    { value: red, color: 'red' },
  ]
}

/** Lines over time. `unit`: an id of Grafana; `steps`: drawn as lines. */
export function lines({
  title,
  description,
  width = 8,
  queries,
  unit,
  steps,
  custom = {},
  max,
}: Described & {
  readonly unit: string
  readonly steps?: readonly Step[]
  readonly custom?: object
  readonly max?: number
}): Panel {
  return {
    type: 'timeseries',
    title,
    description,
    width,
    height: HEIGHT,
    targets: targets(queries, { range: true }),
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(max === undefined ? {} : { max }),
        color: { mode: 'palette-classic' },
        thresholds: { mode: 'absolute', steps: steps ?? [{ value: null, color: 'green' }] },
        custom: {
          drawStyle: 'line',
          lineWidth: 1,
          fillOpacity: 8,
          showPoints: 'never',
          spanNulls: false,
          thresholdsStyle: { mode: steps === undefined ? 'off' : 'dashed' },
          ...custom,
        },
      },
      overrides: [],
    },
    options: {
      legend: { showLegend: true, displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max'] },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  }
}

/** Areas on top of each other that change in steps. */
export const STACKED = { lineInterpolation: 'stepAfter', fillOpacity: 60, stacking: { mode: 'normal', group: 'A' } }

/** What holds when, as coloured bars. `states`: by value, its name and colour. */
export function states({
  title,
  description,
  width = 12,
  queries,
  states: named,
}: Described & { readonly states: readonly (readonly [text: string, color: string])[] }): Panel {
  const options = Object.fromEntries(named.map(([text, color], index) => [index, { text, color, index }]))
  return {
    type: 'state-timeline',
    title,
    description,
    width,
    height: HEIGHT,
    targets: targets(queries, { range: true }),
    fieldConfig: {
      defaults: {
        color: { mode: 'fixed', fixedColor: 'text' },
        mappings: [{ type: 'value', options }],
        custom: { fillOpacity: 70, lineWidth: 0 },
      },
      overrides: [],
    },
    options: {
      mergeValues: true,
      showValue: 'auto',
      rowHeight: 0.8,
      legend: { showLegend: false, displayMode: 'list', placement: 'bottom' },
      tooltip: { mode: 'single', sort: 'none' },
    },
  }
}

export interface Column {
  readonly title: string
  readonly expr: string
  readonly unit: string
  /** Colours the text. */
  readonly steps?: readonly Step[]
  readonly decimals?: number
}

/** A table of the current values: a row for each combination of labels, and a column for each expression. */
export function table({
  title,
  description,
  width = 24,
  labels,
  columns,
}: Omit<Described, 'queries'> & { readonly labels: readonly string[]; readonly columns: readonly Column[] }): Panel {
  const queries = Object.fromEntries(columns.map((column) => [column.title, column.expr]))
  const names = columns.map((_, index) => `Value #${refId(index)}`)
  const order = [...labels, ...names]
  return {
    type: 'table',
    title,
    description,
    width,
    height: HEIGHT,
    targets: targets(queries, { instant: true, format: 'table' }),
    transformations: [
      { id: 'merge', options: {} },
      {
        id: 'organize',
        options: {
          excludeByName: { Time: true },
          indexByName: Object.fromEntries(order.map((name, index) => [name, index])),
          renameByName: Object.fromEntries(names.map((name, index) => [name, columns[index]?.title])),
        },
      },
    ],
    fieldConfig: {
      defaults: { custom: { align: 'auto', filterable: true } },
      overrides: columns.map(({ title: name, unit, steps, decimals }) => ({
        matcher: { id: 'byName', options: name },
        properties: [
          { id: 'unit', value: unit },
          ...(decimals === undefined ? [] : [{ id: 'decimals', value: decimals }]),
          ...(steps === undefined
            ? []
            : [
                { id: 'thresholds', value: { mode: 'absolute', steps } },
                { id: 'custom.cellOptions', value: { type: 'color-text' } },
              ]),
        ],
      })),
    },
    options: { showHeader: true, cellHeight: 'sm' },
  }
}

function targets(queries: Queries, options: object): readonly object[] {
  return Object.entries(queries).map(([legendFormat, expr], index) => ({
    refId: refId(index),
    datasource: DATA_SOURCE,
    editorMode: 'code',
    expr,
    legendFormat,
    ...options,
  }))
}

function refId(index: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + index)
}
