import { WHOLE } from '../split.ts'
import type { TablePool, TableService } from '../table.ts'

/**
 * Returns the service with the canary of its rollout closed: the stable pool gets its share, and the rollout routes and
 * copies nothing there. Routes of the service's own definition stay. Servers of the canary stay open: it is still up to
 * control to drain them.
 */
export function withCanaryClosed(service: TableService): TableService {
  const { rollout, traffic } = service
  if (rollout === undefined) return service
  const { from, to } = rollout
  const moved = service.pools.find(({ name }) => name === to)?.share ?? 0
  const pools = service.pools.map((pool) => {
    if (pool.name === to) return { ...pool, share: 0 }
    return pool.name === from ? withShare(pool, Math.min(WHOLE, pool.share + moved)) : pool
  })
  if (traffic === undefined) return { ...service, pools }
  const routes = traffic.routes.filter((route) => route.rollout !== rollout.id)
  const mirror = traffic.mirror?.rollout === rollout.id ? null : traffic.mirror
  return { ...service, pools, traffic: { ...traffic, routes, mirror } }
}

/** Returns the pool with another share; if it had none, its servers on standby take requests now. */
function withShare(pool: TablePool, share: number): TablePool {
  if (pool.share > 0 || share === 0) return { ...pool, share }
  const servers = pool.servers.map((server) =>
    server.standby === true ? { ...server, open: true, cutAt: null } : server,
  )
  return { ...pool, share, servers }
}
