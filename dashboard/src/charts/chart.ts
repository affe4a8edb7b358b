import uPlot from 'uplot'

const HEIGHT = 140
const SCHEME = matchMedia('(prefers-color-scheme: dark)')

/** A line: its color as a number, and its values. */
export interface Line {
  readonly color: number
  readonly values: readonly (number | null)[]
}

/** A moment to mark, seconds since the epoch. */
export interface Mark {
  readonly at: number
  readonly text: string
}

/** A chart of lines over time. */
export class Chart {
  private readonly place: HTMLElement
  private readonly format: (value: number) => string
  private plot: uPlot | null = null
  private shape = ''
  private shown: Parameters<Chart['show']> | null = null
  private marks: readonly Mark[] = []
  private readonly observer: ResizeObserver

  constructor(place: HTMLElement, format: (value: number) => string) {
    this.place = place
    this.format = format
    this.observer = new ResizeObserver(() => this.plot?.setSize({ width: place.clientWidth, height: HEIGHT }))
    this.observer.observe(place)
    SCHEME.addEventListener('change', this.repaint)
  }

  /** Colors are those of the scheme in which a plot was made. */
  private readonly repaint = (): void => {
    this.shape = ''
    if (this.shown !== null) this.show(...this.shown)
  }

  show(times: readonly number[], lines: readonly Line[], marks: readonly Mark[]): void {
    this.shown = [times, lines, marks]
    this.marks = marks
    const data = [[...times], ...lines.map(({ values }) => [...values])] as uPlot.AlignedData
    // A plot has its lines for life.
    const shape = lines.map(({ color }) => color).join()
    if (this.plot === null || shape !== this.shape) this.build(lines, data)
    else this.plot.setData(data)
    this.shape = shape
  }

  destroy(): void {
    SCHEME.removeEventListener('change', this.repaint)
    this.observer.disconnect()
    this.plot?.destroy()
  }

  private build(lines: readonly Line[], data: uPlot.AlignedData): void {
    this.plot?.destroy()
    const style = getComputedStyle(this.place)
    const color = (name: string): string => style.getPropertyValue(name).trim()
    const axis = {
      stroke: color('--muted'),
      grid: { stroke: color('--line'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui',
    }
    const options: uPlot.Options = {
      width: this.place.clientWidth || 300,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: { y: { range: (_plot, _min, max) => [0, Math.max(max * 1.1, Number.MIN_VALUE) || 1] } },
      axes: [
        { ...axis, space: 60 },
        { ...axis, size: 56, space: 30, values: (_plot, values) => values.map(this.format) },
      ],
      series: [
        {},
        ...lines.map((line) => ({
          stroke: color(`--series-${line.color}`),
          width: 2,
          points: { size: 4, show: false },
          spanGaps: false,
        })),
      ],
      hooks: { draw: [(plot) => this.drawMarks(plot, color('--muted'))] },
    }
    this.plot = new uPlot(options, data, this.place)
  }

  private drawMarks(plot: uPlot, color: string): void {
    const { ctx, bbox } = plot
    const { min = 0, max = 0 } = plot.scales.x ?? {}
    ctx.save()
    ctx.strokeStyle = color
    ctx.setLineDash([4, 4])
    for (const { at } of this.marks) {
      if (at < (min ?? 0) || at > (max ?? 0)) continue
      const x = Math.round(plot.valToPos(at, 'x', true)) + 0.5
      ctx.beginPath()
      ctx.moveTo(x, bbox.top)
      ctx.lineTo(x, bbox.top + bbox.height)
      ctx.stroke()
    }
    ctx.restore()
  }
}
