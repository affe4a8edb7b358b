import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { HistoryEntry, StatsOverTime } from '../../../src/client/create-client.ts'
import { milliseconds, rate, share } from '../format.ts'
import { trouble } from '../live/live.ts'
import { useResource } from '../live/resource.ts'
import { client } from '../live/session.ts'
import type { Chart } from './chart.ts'
// With the page, so that a chart which is loaded later has its looks.
import 'uplot/dist/uPlot.min.css'

const WINDOWS = { '2m': 2_000, '10m': 10_000, '1h': 30_000 } as const
type Window = keyof typeof WINDOWS

/** The figures of a service over time, by version. */
export function Charts({
  service,
  pools,
  changes,
}: {
  service: string
  pools: readonly string[]
  changes: readonly HistoryEntry[]
}) {
  const window = useSignal<Window>('10m')
  const figures = useResource(
    (signal) => client.value.services.series(service, { window: window.value, signal }),
    [service, window.value],
    { everyMs: WINDOWS[window.value] },
  )
  const marks = changes.map(({ at, action }) => ({ at: Date.parse(at) / 1_000, text: action }))
  return (
    <div class="panel charts">
      <fieldset class="windows">
        <legend class="visually-hidden">Time shown</legend>
        {Object.keys(WINDOWS).map((name) => (
          <label key={name}>
            <input
              type="radio"
              name="window"
              checked={window.value === name}
              onChange={() => {
                window.value = name as Window
              }}
            />
            {name}
          </label>
        ))}
      </fieldset>
      {figures.error !== null && <p class="refusal">{figures.error.message}</p>}
      <div class="chart-row">
        <Plot title="Requests" of="rate" format={rate} {...{ figures: figures.value, pools, marks }} />
        <Plot title="Errors" of="errorRate" format={share} {...{ figures: figures.value, pools, marks }} />
        <Plot title="p95" of="p95" format={milliseconds} {...{ figures: figures.value, pools, marks }} />
      </div>
    </div>
  )
}

interface PlotProps {
  readonly title: string
  readonly of: 'rate' | 'errorRate' | 'p95'
  readonly format: (value: number) => string
  readonly figures: StatsOverTime | null
  readonly pools: readonly string[]
  readonly marks: readonly { readonly at: number; readonly text: string }[]
}

function Plot({ title, of, format, figures, pools, marks }: PlotProps) {
  const place = useRef<HTMLDivElement>(null)
  const chart = useRef<Chart | null>(null)
  const shown = useRef<PlotProps | null>(null)
  const isOutdated = useSignal(false)
  shown.current = { title, of, format, figures, pools, marks }
  const isLoading = useRef(false)
  const load = async (): Promise<void> => {
    isLoading.current = true
    try {
      // The library comes with the first chart, not with the page.
      const { Chart: Made } = await import('./chart.ts')
      // Else the view is gone.
      if (place.current !== null) chart.current = new Made(place.current, format)
      show(chart.current, shown.current)
    } catch {
      // The instance does not answer, as the page says, and the next figures try again; or another version of Cutover is
      // there, whose files have other names.
      isOutdated.value = trouble.value === null
    } finally {
      isLoading.current = false
    }
  }
  useEffect(() => {
    if (chart.current === null && !isLoading.current) void load()
    else show(chart.current, shown.current)
  }, [figures, marks])
  useEffect(() => () => chart.current?.destroy(), [])
  const lines = (figures?.pools ?? []).map((pool) => ({
    pool,
    last: pool[of].findLast((value) => value !== null) ?? null,
  }))
  return (
    <figure>
      <figcaption>{title}</figcaption>
      {isOutdated.value && <p class="muted">The page has been updated: reload it to see the charts.</p>}
      <div class="plot" ref={place} aria-hidden="true" />
      {figures !== null && lines.length === 0 && <p class="muted legend">No requests in this time yet.</p>}
      <ul class="legend">
        {lines.map(({ pool, last }) => (
          <li key={`${pool.name} ${pool.version}`}>
            <i class={`swatch color-${colorOf(pools, pool.name)}`} aria-hidden="true" />
            {pool.name === pool.version ? pool.name : `${pool.name} ${pool.version}`}:{' '}
            <b>{last === null ? '–' : format(last)}</b>
          </li>
        ))}
      </ul>
    </figure>
  )
}

function show(chart: Chart | null, props: PlotProps | null): void {
  if (chart === null || props === null || props.figures === null) return
  const { figures, of, pools, marks } = props
  chart.show(
    figures.times.map((at) => Date.parse(at) / 1_000),
    figures.pools.map((pool) => ({ color: colorOf(pools, pool.name), values: pool[of] })),
    marks,
  )
}

function colorOf(pools: readonly string[], name: string): number {
  return Math.max(0, pools.indexOf(name)) % 8
}
