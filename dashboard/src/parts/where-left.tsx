import type { Server } from '../../../src/client/create-client.ts'
import { listed } from '../format.ts'
import { instances } from '../live/live.ts'
import { useResource } from '../live/resource.ts'
import { client } from '../live/session.ts'

/** Interval at which it is read, ms. */
const LOOK_MS = 1_000

/** At which instances the last requests of a server are that drains; of use only in a fleet. */
export function WhereLeft({ server: { name, service, pool } }: { server: Pick<Server, 'name' | 'service' | 'pool'> }) {
  const { value } = useResource(
    (signal) => client.value.servers.get(name, { service, pool, signal }),
    [name, service, pool],
    { everyMs: LOOK_MS },
  )
  const found = Object.entries(value?.servers[0]?.inFlightByInstance ?? {}).filter(([, inFlight]) => inFlight > 0)
  if (instances.value.length < 2 || found.length === 0) return null
  return <span class="muted"> {listed(found.map(([instance, inFlight]) => `${inFlight} at ${instance}`))}</span>
}
