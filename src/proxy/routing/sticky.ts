import type { TablePool } from '../../model/table.ts'
import type { StickySpec } from '../../model/traffic-policies.ts'
import type { Counters, Tally } from '../../telemetry/counters.ts'
import type { Target } from '../upstream/target.ts'
import type { Targets } from '../upstream/targets.ts'
import type { PoolRoute } from './pool-route.ts'
import type { RoutedRequest } from './routed-request.ts'

/** A server that a cookie names, with its pool. */
export interface StickyServer {
  readonly pool: PoolRoute
  readonly target: Target
}

/** Keeps clients on their servers, by cookies whose values come with the table. */
export class Sticky {
  readonly cookie: string
  readonly maxAgeSeconds: number
  private readonly servers = new Map<string, StickyServer>()
  private readonly values = new Map<Target, string>()
  private readonly kept: Tally
  private readonly moved: Tally
  private readonly fresh: Tally

  /** `pools`: those of the table; `poolOf`: undefined = it gets no requests. */
  constructor(
    service: string,
    { cookie, ttlMs }: StickySpec,
    pools: readonly TablePool[],
    poolOf: (name: string) => PoolRoute | undefined,
    targets: Targets,
    counters: Counters,
  ) {
    this.cookie = cookie
    this.maxAgeSeconds = Math.ceil(ttlMs / 1_000)
    for (const { name, servers } of pools) {
      const pool = poolOf(name)
      if (pool === undefined) continue
      for (const { key, sticky } of servers) {
        if (sticky === undefined) continue
        const target = targets.get(key)
        this.servers.set(sticky, { pool, target })
        this.values.set(target, sticky)
      }
    }
    this.kept = counters.tally('sticky', service, 'kept')
    this.moved = counters.tally('sticky', service, 'moved')
    this.fresh = counters.tally('sticky', service, 'new')
  }

  /** The server of a request's cookie if that server takes the request; null = none. `now`: monotonic ms. */
  serverOf(request: RoutedRequest, tried: readonly Target[] | null, now: number): StickyServer | null {
    const given = request.cookie(this.cookie)
    const server = given === null ? undefined : this.servers.get(given)
    return server?.pool.takes(server.target, tried, now) ? server : null
  }

  /** Returns the value to issue to the client of a request that this server has answered; null = it has that one. */
  issue(request: RoutedRequest, target: Target): string | null {
    const value = this.values.get(target)
    if (value === undefined) return null
    const given = request.cookie(this.cookie)
    const tally = given === value ? this.kept : given === null ? this.fresh : this.moved
    tally.add()
    return given === value ? null : value
  }
}
