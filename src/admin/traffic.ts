import { addUp } from '../control/proxies.ts'
import type { AdminContext } from './context.ts'

/** What is under way in the fleet: here as of now, elsewhere as of the last heartbeat. */
export interface Traffic {
  /** By target key, over all instances that live. */
  readonly inFlight: Readonly<Record<string, number>>
  /** Each instance's own, by its name. */
  readonly byInstance: readonly (readonly [instance: string, inFlight: Readonly<Record<string, number>>])[]
}

/** Asks the proxy halves here, and adds what the other instances have said. */
export async function trafficOf({ control, fleet, self }: AdminContext): Promise<Traffic> {
  const here = (await control.collect()).inFlight
  const others = fleet.live().map((member) => [control.convergence.nameOf(member), member.record.inFlight] as const)
  const byInstance = [[self.name, here] as const, ...others]
  return { inFlight: addUp(byInstance.map(([, counts]) => counts)), byInstance }
}
