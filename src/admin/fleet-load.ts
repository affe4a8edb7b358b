import type { Control } from '../control/control.ts'
import { addUp } from '../control/proxies.ts'
import type { InstanceRecord } from '../model/fleet.ts'
import type { LeavingServer } from '../model/leaving.ts'
import { leavingServers } from '../model/leaving.ts'
import type { RequestLoad } from '../model/messages.ts'
import { own, serviceNameOf } from '../model/names.ts'
import { getsRequests, serversOf } from '../model/servers.ts'
import type { Service } from '../model/state.ts'
import type { LoadNow } from '../telemetry/stats.ts'
import type { AdminContext } from './context.ts'

/** Requests in flight in the fleet: at this instance as of now, at others as of their last heartbeat. */
export interface FleetLoad {
  /** By target key, over all live instances. */
  readonly inFlight: Readonly<Record<string, number>>
  /** Of each instance, by its name. */
  readonly byInstance: readonly (readonly [instance: string, inFlight: Readonly<Record<string, number>>])[]
  /** Servers that were removed and still have requests in flight, or get more until others are up. */
  readonly leaving: readonly LeavingServer[]
}

/** Requests at this moment, with names in place of keys: by service, `service/pool` or `service/pool/server`. */
export async function loadNow(
  { control, fleet }: Pick<AdminContext, 'control' | 'fleet'>,
  scope: 'fleet' | 'instance',
): Promise<LoadNow> {
  const [here] = await Promise.all([control.proxies.collect(), scope === 'fleet' ? fleet.readLoads() : undefined])
  const all: RequestLoad[] = [here]
  if (scope === 'fleet')
    for (const { record } of fleet.live())
      all.push({ inFlight: inFlightOf(control, record), queued: record.queued ?? {}, held: record.held ?? {} })
  return {
    inFlight: byName(addUp(all.map(({ inFlight }) => inFlight))),
    queued: byName(addUp(all.map(({ queued }) => queued))),
    held: addUp(all.map(({ held }) => held)),
  }
}

/** Sums by name at each level: of `shop/blue/blue1=http://…`, for shop, shop/blue and shop/blue/blue1. */
function byName(counts: Readonly<Record<string, number>>): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const [key, count] of Object.entries(counts)) {
    const [path = ''] = key.split('=', 1)
    const names = path.split('/')
    for (let depth = 1; depth <= names.length; depth++) {
      const name = names.slice(0, depth).join('/')
      sums[name] = (own(sums, name) ?? 0) + count
    }
  }
  return sums
}

/** Asks the data planes of this instance, and adds the reports of the other instances. */
export async function fleetLoadOf({ control, fleet, self }: AdminContext): Promise<FleetLoad> {
  const [{ inFlight: here }] = await Promise.all([control.proxies.collect(), fleet.readLoads()])
  const members = fleet.live()
  const others = members.map(
    (member) => [control.convergence.nameOf(member), inFlightOf(control, member.record)] as const,
  )
  const byInstance = [[self.name, here] as const, ...others]
  // Requests of others at servers unknown here may be at new servers: of those, only busy targets are leaving.
  const busy = members.flatMap(({ record }) => Object.keys(record.busy))
  const keys = new Set([...Object.keys(here), ...busy, ...control.convergence.servedMeanwhile()])
  return {
    inFlight: addUp(byInstance.map(([, counts]) => counts)),
    byInstance,
    leaving: leavingServers(control.state, keys),
  }
}

/**
 * Requests in flight at another instance, by target key. Servers that are drained have none: acknowledgements, which say that,
 * are newer than the counts of the last heartbeat.
 */
function inFlightOf(control: Control, { inFlight }: InstanceRecord): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(inFlight).filter(([key, count]) => count === 0 || !isAtRest(control, key)))
}

function isAtRest({ state, drains }: Control, key: string): boolean {
  const service = own(state.services, serviceNameOf(key))
  return service !== undefined && keysOutOf(service).has(key) && drains.isIdle(service, [key])
}

/** By service; a service that changes is another object. */
const keysOut = new WeakMap<Service, ReadonlySet<string>>()

/** Keys of the servers of a service that take no new requests. */
function keysOutOf(service: Service): ReadonlySet<string> {
  const known = keysOut.get(service)
  if (known !== undefined) return known
  const out = serversOf(service).filter(({ state, pool }) => state !== 'ready' || !getsRequests(service, pool))
  const keys = new Set(out.map(({ key }) => key))
  keysOut.set(service, keys)
  return keys
}

/** Requests still in flight at drained targets: for each instance at most as many as when it applied the change. */
export async function remainingAt(
  { control, fleet }: AdminContext,
  keys: readonly string[],
): Promise<Record<string, number>> {
  const [{ inFlight: here }] = await Promise.all([control.proxies.collect(), fleet.readLoads()])
  const members = fleet.live().map(({ record }) => record)
  const counts = keys.map((key): [string, number] => {
    const elsewhere = members.map(({ busy, inFlight }) => {
      const first = busy[key] ?? 0
      // The count of the last heartbeat is newer than the one at the change, or older than that.
      return first === 0 ? 0 : Math.max(1, Math.min(first, inFlight[key] ?? first))
    })
    return [key, elsewhere.reduce((sum, count) => sum + count, here[key] ?? 0)]
  })
  return Object.fromEntries(counts)
}
