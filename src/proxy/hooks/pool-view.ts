import type { HookPool } from '../../hooks/types.ts'
import type { PoolRoute } from '../routing/pool-route.ts'

/** A pool, as a hook sees it. */
class PoolView implements HookPool {
  readonly name: string
  readonly version: string
  readonly share: number
  readonly #pool: PoolRoute

  constructor(pool: PoolRoute) {
    this.name = pool.name
    this.version = pool.version
    this.share = pool.share / 100
    this.#pool = pool
  }

  get up(): number {
    return this.#pool.up
  }
}

/** The pools as hooks see them; one list serves all requests of a table. */
export function poolViews(pools: readonly PoolRoute[]): readonly HookPool[] {
  return Object.freeze(pools.map((pool) => Object.freeze(new PoolView(pool))))
}
