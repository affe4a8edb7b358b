import type { FastifyInstance } from 'fastify'
import { viewOverride } from '../control/fleet/self.ts'
import type { AdminContext } from './context.ts'

/**
 * Adds to every answer about the state: `stale` while the store is away, since others may have changed the state meanwhile;
 * `overrides` of instances that differ from the store; `leftOut`, the instances that are out of touch.
 */
export function markStale(api: FastifyInstance, { control, fleet, self, store }: AdminContext): void {
  api.addHook('preSerialization', async (_request, _reply, payload) => {
    if (typeof payload !== 'object' || payload === null) return payload
    if (!('revision' in payload || 'appliedRevision' in payload)) return payload
    const own = control.controller.overrides.map((override) => ({ instance: self.name, ...viewOverride(override) }))
    const others = fleet
      .live()
      .flatMap((member) =>
        member.record.overrides.map((each) => ({ instance: control.convergence.nameOf(member), ...each })),
      )
    const overrides = [...own, ...others]
    const isOfFleet = !('scope' in payload && payload.scope === 'local')
    const leftOut = isOfFleet && !('leftOut' in payload) ? control.convergence.leftOut() : []
    return {
      ...payload,
      ...(store.status().up ? {} : { stale: true }),
      ...(overrides.length === 0 || 'overrides' in payload ? {} : { overrides }),
      ...(leftOut.length === 0 ? {} : { leftOut }),
    }
  })
}
