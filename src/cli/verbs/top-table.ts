import type { PoolStats, ServiceStats, Services, Stats } from '../../client/create-client.ts'
import type { Paint } from '../output/paint.ts'
import { tableLines } from '../output/table.ts'
import { percent, upText } from '../service-words.ts'

/** The figures of a moment. */
export interface Look {
  readonly stats: Stats
  readonly services: Services['services']
}

const HEADS = ['SERVICE', 'POOL', 'SHARE', 'UP', 'RATE', 'ERRORS', 'P50', 'P95', 'IN FLIGHT', 'WAIT']
const NUMBERS = [2, 3, 4, 5, 6, 7, 8, 9]
/** Share of errors from which a pool is red. */
const MANY = 0.01

type Figures = Omit<PoolStats, 'name' | 'version' | 'servers'>

/** The figures as a table for a terminal. `problem`: why they are old; empty = they are not. */
export function topTable({ stats, services }: Look, paint: Paint, problem: string): string[] {
  const views = new Map(services.map((service) => [service.name, service]))
  const rows = stats.services.flatMap((service) => {
    const pools = new Map(views.get(service.name)?.pools.map((pool) => [pool.name, pool]))
    const mode = views.get(service.name)?.mode
    const name = mode === undefined || mode === 'serving' ? service.name : `${service.name} (${mode})`
    return [
      [paint('bold', name), paint('dim', 'all'), '', '', ...figuresOf(service, paint)],
      ...service.pools.map((pool) => {
        const view = pools.get(pool.name)
        const where = view === undefined ? ['', ''] : [percent(view.share), upText(view)]
        return ['', pool.name, ...where, ...figuresOf(pool, paint)]
      }),
    ]
  })
  const total = totalOf(stats.services)
  return [
    `${paint('bold', 'cutover top')}  ${stats.window} to ${stats.at}  ${total}  ${paint('dim', 'q ends it')}`,
    problem === '' ? '' : paint('red', problem),
    ...tableLines([HEADS.map((head) => paint('dim', head)), ...rows], NUMBERS),
  ]
}

function totalOf(services: readonly ServiceStats[]): string {
  const sum = (figure: (service: ServiceStats) => number): number =>
    services.reduce((total, service) => total + figure(service), 0)
  return `${rateText(sum(({ rate }) => rate))}, ${sum(({ inFlight }) => inFlight)} in flight`
}

function figuresOf({ rate, errorRate, p50, p95, inFlight, queued, held }: Figures, paint: Paint): string[] {
  const errors = errorRate === null ? '–' : percent(errorRate * 100)
  const ink = (errorRate ?? 0) >= MANY ? 'red' : (errorRate ?? 0) > 0 ? 'yellow' : 'dim'
  const waiting = queued + held
  return [
    rateText(rate),
    paint(ink, errors),
    ...[p50, p95].map(durationText),
    String(inFlight),
    waiting === 0 ? '0' : paint('yellow', String(waiting)),
  ]
}

/** A line a pool, for those who read no screen. */
export function poolLines({ stats }: Look): string[] {
  return stats.services.flatMap(({ name, pools }) =>
    pools.map((pool) => {
      const { rate, errorRate, p95, inFlight, queued, held } = pool
      const errors = errorRate === null ? '–' : percent(errorRate * 100)
      const figures = [rateText(rate), `errors ${errors}`, `p95 ${durationText(p95)}`, `${inFlight} in flight`]
      const waiting = queued + held === 0 ? [] : [`${queued + held} waiting`]
      return `${stats.at}  ${name} ${pool.name}  ${[...figures, ...waiting].join(', ')}`
    }),
  )
}

function rateText(rate: number): string {
  return `${rate >= 100 ? Math.round(rate) : Math.round(rate * 10) / 10}/s`
}

function durationText(ms: number | null): string {
  if (ms === null) return '–'
  if (ms >= 10_000) return `${Math.round(ms / 1_000)}s`
  if (ms >= 1_000) return `${Math.round(ms / 100) / 10}s`
  return `${ms >= 10 ? Math.round(ms) : Math.round(ms * 10) / 10}ms`
}
