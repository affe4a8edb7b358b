import { type DefinedService, type FigureView, type LoadNow, statsOf } from './stats.ts'
import type { TickHistory } from './ticks/tick-history.ts'

/** Figures of a point in time. */
type Point = Pick<FigureView, 'rate' | 'errorRate' | 'p50' | 'p95' | 'p99'>

/** Figures of a pool and version at each time; null = there were no requests. */
export interface PoolOverTime {
  readonly name: string
  readonly version: string
  readonly rate: readonly (number | null)[]
  readonly errorRate: readonly (number | null)[]
  readonly p50: readonly (number | null)[]
  readonly p95: readonly (number | null)[]
  readonly p99: readonly (number | null)[]
}

export interface StatsOverTime {
  /** End of each step, seconds since the epoch. */
  readonly times: readonly number[]
  readonly pools: readonly PoolOverTime[]
}

const NOW: LoadNow = { inFlight: {}, queued: {}, held: {} }
const NONE: Point = { rate: 0, errorRate: null, p50: null, p95: null, p99: null }

/**
 * Figures of a service step by step: `points` steps of `stepSeconds`, which end with the last second whose counts are
 * complete. Steps end at multiples of their length, so that two calls have the same ones.
 */
export function statsOverTime(
  history: TickHistory,
  service: DefinedService,
  stepSeconds: number,
  points: number,
): StatsOverTime {
  const last = history.end - (history.end % stepSeconds)
  const times: number[] = []
  for (let to = last - (points - 1) * stepSeconds; to <= last; to += stepSeconds)
    if (to - stepSeconds >= history.begin) times.push(to)
  const pools = new Map<string, { readonly name: string; readonly version: string; readonly points: Point[] }>()
  for (const [i, to] of times.entries()) {
    const [stats] = statsOf(history, { from: to - stepSeconds, to }, [service], NOW, service.name)
    for (const { name, version, ...figures } of stats?.pools ?? []) {
      const key = JSON.stringify([name, version])
      const pool = pools.get(key) ?? { name, version, points: times.map(() => NONE) }
      pool.points[i] = figures
      pools.set(key, pool)
    }
  }
  return { times, pools: [...pools.values()].map(columnsOf) }
}

function columnsOf({
  name,
  version,
  points,
}: {
  name: string
  version: string
  points: readonly Point[]
}): PoolOverTime {
  const column = (figure: keyof Point): (number | null)[] => points.map((point) => point[figure])
  return {
    name,
    version,
    rate: column('rate'),
    errorRate: column('errorRate'),
    p50: column('p50'),
    p95: column('p95'),
    p99: column('p99'),
  }
}
