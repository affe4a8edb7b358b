import { addUp } from '../control/proxies.ts'
import type { LeavingServer } from '../model/leaving.ts'
import { leavingServers } from '../model/leaving.ts'
import type { AdminContext } from './context.ts'

/** What is under way in the fleet: here as of now, elsewhere as of the last heartbeat. */
export interface UnderWay {
  /** By target key, over all instances that live. */
  readonly inFlight: Readonly<Record<string, number>>
  /** Each instance's own, by its name. */
  readonly byInstance: readonly (readonly [instance: string, inFlight: Readonly<Record<string, number>>])[]
  /** Servers that were removed and still have requests under way. */
  readonly leaving: readonly LeavingServer[]
}

/** Asks the proxies of this instance for their load, and adds the reports of the other instances. */
export async function underWayOf({ control, fleet, self }: AdminContext): Promise<UnderWay> {
  const here = (await control.collect()).inFlight
  const members = fleet.live()
  const others = members.map((member) => [control.convergence.nameOf(member), member.record.inFlight] as const)
  const byInstance = [[self.name, here] as const, ...others]
  // What others have under way at servers that are unknown here may be at new ones: only what is busy there is leaving.
  const keys = new Set([...Object.keys(here), ...members.flatMap(({ record }) => Object.keys(record.busy))])
  return {
    inFlight: addUp(byInstance.map(([, counts]) => counts)),
    byInstance,
    leaving: leavingServers(control.state, keys),
  }
}

/** Requests under way at targets that take no new ones, where that is waited for: never more than there were to begin with. */
export async function restOf(
  { control, fleet }: AdminContext,
  keys: readonly string[],
): Promise<Record<string, number>> {
  const here = (await control.collect()).inFlight
  const members = fleet.live().map(({ record }) => record)
  const counts = keys.map((key): [string, number] => {
    const elsewhere = members.map(({ busy, inFlight }) => {
      const first = busy[key] ?? 0
      // What it beats is newer than what it had as it took the change, or from before that.
      return first === 0 ? 0 : Math.max(1, Math.min(first, inFlight[key] ?? first))
    })
    return [key, elsewhere.reduce((sum, count) => sum + count, here[key] ?? 0)]
  })
  return Object.fromEntries(counts)
}
