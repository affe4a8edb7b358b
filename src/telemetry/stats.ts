import { own } from '../model/names.ts'
import { quantileOf } from './ticks/durations.ts'
import { Figure, Figures } from './ticks/figures.ts'
import type { Span, TickHistory } from './ticks/tick-history.ts'

/** Figures of a service, pool or server over a span of time, and what is in flight now. */
export interface FigureView {
  /** Requests that have ended. */
  readonly requests: number
  /** Requests per second. */
  readonly rate: number
  /** Share of the requests with a 5xx or a response that broke off; null = there were none. */
  readonly errorRate: number | null
  /** Share of the requests answered without an error; those whose client has left are in neither share. */
  readonly successRate: number | null
  /** Durations, ms, that 50, 95 and 99 % of the requests do not exceed; null = there were none. */
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
  readonly inFlight: number
  readonly queued: number
  readonly held: number
  readonly retries: number
  readonly mirrored: number
}

export interface ServerStats extends FigureView {
  readonly name: string
}

export interface PoolStats extends FigureView {
  readonly name: string
  readonly version: string
  readonly servers: readonly ServerStats[]
}

export interface ServiceStats extends FigureView {
  readonly name: string
  readonly pools: readonly PoolStats[]
}

/** A service as it is defined now. */
export interface DefinedService {
  readonly name: string
  readonly pools: readonly { readonly name: string; readonly version: string; readonly servers: readonly string[] }[]
}

/** Requests at this moment, by service, `service/pool` or `service/pool/server`. */
export interface LoadNow {
  readonly inFlight: Readonly<Record<string, number>>
  readonly queued: Readonly<Record<string, number>>
  readonly held: Readonly<Record<string, number>>
}

/** Figures of one name and of those below it. */
class Node {
  readonly figures = new Figures()
  readonly below = new Map<string, Node>()

  child(name: string): Node {
    let node = this.below.get(name)
    if (node === undefined) {
      node = new Node()
      this.below.set(name, node)
    }
    return node
  }
}

/** Separates the name of a pool from its version. */
const SEPARATOR = '\u0000'

/**
 * Figures of the services over a span: those that are defined, with all their pools and servers, and pools, versions and
 * servers that are gone but had requests. `only`: the service to show; absent = all.
 */
export function statsOf(
  history: TickHistory,
  span: Span,
  defined: readonly DefinedService[],
  load: LoadNow,
  only?: string,
): readonly ServiceStats[] {
  const root = new Node()
  for (const { name, pools } of defined) {
    const service = root.child(name)
    for (const pool of pools) {
      const node = service.child(`${pool.name}${SEPARATOR}${pool.version}`)
      for (const server of pool.servers) node.child(server)
    }
  }
  history.sum(span, ({ service, pool, version, server }) => {
    if (service === '' || (only !== undefined && service !== only)) return null
    const node = root.child(service)
    if (pool === '') return node.figures
    const ofPool = node.child(`${pool}${SEPARATOR}${version}`)
    return server === '' ? ofPool.figures : ofPool.child(server).figures
  })
  const seconds = span.to - span.from
  const definitions = new Map(defined.map((service) => [service.name, service]))
  return [...root.below].map(([name, service]): ServiceStats => {
    const current = new Map(definitions.get(name)?.pools.map((pool) => [pool.name, pool.version]))
    const pools = [...service.below].map(([key, pool]): PoolStats => {
      const [poolName = '', version = ''] = key.split(SEPARATOR)
      // What is in flight is of the version that the pool has now.
      const isCurrent = current.get(poolName) === version
      const at = `${name}/${poolName}`
      const servers = [...pool.below].map(([server, { figures }]): ServerStats => {
        pool.figures.add(figures)
        const inFlight = isCurrent ? (load.inFlight[`${at}/${server}`] ?? 0) : 0
        return { name: server, ...view(figures, seconds, { inFlight, queued: 0, held: 0 }) }
      })
      service.figures.add(pool.figures)
      const now = isCurrent ? { inFlight: load.inFlight[at] ?? 0, queued: load.queued[at] ?? 0 } : NOTHING
      return { name: poolName, version, ...view(pool.figures, seconds, { ...now, held: 0 }), servers }
    })
    const now = nowOf(load, name)
    return { name, ...view(service.figures, seconds, now), pools }
  })
}

const NOTHING = { inFlight: 0, queued: 0 }

function nowOf({ inFlight, queued, held }: LoadNow, service: string): Record<keyof LoadNow, number> {
  return { inFlight: own(inFlight, service) ?? 0, queued: own(queued, service) ?? 0, held: own(held, service) ?? 0 }
}

function view(
  { counts, durations }: Figures,
  seconds: number,
  now: { readonly inFlight: number; readonly queued: number; readonly held: number },
): FigureView {
  const count = (figure: number): number => counts[figure] as number
  const requests = count(Figure.requests)
  const errors = count(Figure.errors)
  return {
    requests,
    rate: seconds === 0 ? 0 : rounded(requests / seconds),
    errorRate: requests === 0 ? null : errors / requests,
    successRate: requests === 0 ? null : (requests - errors - count(Figure.left)) / requests,
    p50: quantile(durations, 0.5),
    p95: quantile(durations, 0.95),
    p99: quantile(durations, 0.99),
    ...now,
    retries: count(Figure.retries),
    mirrored: count(Figure.mirrored),
  }
}

function quantile(durations: Uint32Array, share: number): number | null {
  const ms = quantileOf(durations, share)
  return ms === null ? null : rounded(ms)
}

/** Rounds to three decimals. */
function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000
}
