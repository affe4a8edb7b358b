import { WHOLE } from '../split.ts'
import type { TableService } from '../table.ts'

/**
 * Returns the service with the canary of its rollout closed: the stable pool gets its share, and the rollout routes and
 * copies nothing there. Routes of the service's own definition stay.
 */
export function withCanaryClosed(service: TableService): TableService {
  const { rollout, traffic } = service
  if (rollout === undefined) return service
  const { from, to } = rollout
  const moved = service.pools.find(({ name }) => name === to)?.share ?? 0
  const pools = service.pools.map((pool) => {
    if (pool.name === to) return { ...pool, share: 0 }
    return pool.name === from ? { ...pool, share: Math.min(WHOLE, pool.share + moved) } : pool
  })
  if (traffic === undefined) return { ...service, pools }
  const routes = traffic.routes.filter((route) => route.rollout !== rollout.id)
  const mirror = traffic.mirror?.rollout === rollout.id ? null : traffic.mirror
  return { ...service, pools, traffic: { ...traffic, routes, mirror } }
}
