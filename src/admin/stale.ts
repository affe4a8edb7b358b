import type { FastifyInstance } from 'fastify'
import { viewOverride } from '../control/fleet/self.ts'
import type { AdminContext } from './context.ts'

/**
 * Marks what is answered while the store is away, since others may have changed it, and what is not as the store says
 * because an instance is overridden.
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
    return {
      ...payload,
      ...(store.status().up ? {} : { stale: true }),
      ...(overrides.length === 0 || 'overrides' in payload ? {} : { overrides }),
    }
  })
}
