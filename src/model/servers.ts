import { unknown } from './draft.ts'
import { own, serverPath, targetKey } from './names.ts'
import type { Refusal } from './refusal.ts'
import { addressIn, type ServerAddress } from './server-address.ts'
import { shareOf } from './split.ts'
import type { ServerRuntime, Service, State } from './state.ts'
import { currentSplit } from './state.ts'

/** A server with its definition and the runtime settings that people have made since. */
export interface Server extends ServerAddress {
  readonly service: string
  readonly pool: string
  readonly name: string
  /** `service/pool/server=url`. */
  readonly key: string
  readonly weight: number
  readonly backup: boolean
  /** Max requests and tunnels in flight per instance; 0 = unlimited. */
  readonly maxConnections: number
  readonly state: ServerRuntime['state']
  /** When requests in flight are cut, ms since the epoch by the store's clock; null = never. */
  readonly cutAt: number | null
}

const READY: ServerRuntime = { state: 'ready', weight: null, cutAt: null }

/** The runtime settings of a server; `ready` and as configured unless changed. */
export function runtimeOf(service: Service, pool: string, server: string): ServerRuntime {
  return own(service.servers, serverPath(pool, server)) ?? READY
}

/** Every server of a service, or of one of its pools, in the order of the definition. */
export function serversOf(service: Service, onlyPool?: string): Server[] {
  const servers: Server[] = []
  for (const [pool, { servers: specs }] of Object.entries(service.spec.pools)) {
    if (onlyPool !== undefined && pool !== onlyPool) continue
    for (const [name, spec] of Object.entries(specs)) {
      const runtime = runtimeOf(service, pool, name)
      servers.push({
        service: service.name,
        pool,
        name,
        ...addressIn(spec),
        key: targetKey(service.name, pool, name, spec.url),
        weight: runtime.weight ?? spec.weight,
        backup: spec.backup,
        maxConnections: runtime.maxConnections ?? service.spec.connections.perServer,
        state: runtime.state,
        cutAt: runtime.cutAt,
      })
    }
  }
  return servers
}

/** Selects servers by name; a name that is absent matches all. */
export interface ServerFilter {
  readonly service?: string
  readonly pool?: string
  readonly server?: string
}

/** The servers that a filter selects, with their services. */
export function findServers(state: State, filter: ServerFilter): { service: Service; server: Server }[] {
  return Object.values(state.services)
    .filter((service) => filter.service === undefined || service.name === filter.service)
    .flatMap((service) => serversOf(service, filter.pool).map((server) => ({ service, server })))
    .filter(({ server }) => filter.server === undefined || server.name === filter.server)
}

/** Refuses the first name of a filter that does not exist within the names before it; null = all exist. */
export function unknownName(state: State, { service, pool, server }: ServerFilter): Refusal | null {
  const services = Object.values(state.services).filter(({ name }) => service === undefined || name === service)
  if (service !== undefined && services.length === 0) return unknown('service', service, Object.keys(state.services))
  const pools = new Set(services.flatMap(({ spec }) => Object.keys(spec.pools)))
  if (pool !== undefined && !pools.has(pool)) return unknown('pool', pool, [...pools])
  const names = new Set(services.flatMap((each) => serversOf(each, pool)).map(({ name }) => name))
  return server === undefined || names.has(server) ? null : unknown('server', server, [...names])
}

/** Keys of the servers that take new requests of a service while it is serving, whatever their health. */
export function servingKeys(service: Service): string[] {
  return serversOf(service)
    .filter((server) => isOpen(server) && getsRequests(service, server.pool))
    .map(({ key }) => key)
}

/** Whether a server takes new requests now, whatever its health: its service may be paused or stopped. */
export function takesNew(service: Service, server: Server): boolean {
  return service.mode === undefined && isOpen(server) && getsRequests(service, server.pool)
}

/** Whether a server takes no new requests only because its pool gets none. */
export function isStandby(service: Service, server: Server): boolean {
  return service.mode === undefined && isOpen(server) && !getsRequests(service, server.pool)
}

/** Whether a pool gets requests, be they copies. */
export function getsRequests(service: Service, pool: string): boolean {
  return (
    answersClients(service, pool) || service.spec.traffic.mirror?.to === pool || service.rollout?.mirror?.to === pool
  )
}

/** Whether a pool gets requests that it answers: it has a share, or a route sends it some. */
export function answersClients(service: Service, pool: string): boolean {
  if (shareOf(currentSplit(service), pool) > 0) return true
  const { spec, rollout } = service
  return [...spec.traffic.routes, ...(rollout?.routes ?? [])].some(({ to }) => to === pool)
}

/** Whether state and weight let a server take new requests, whatever its health. */
export function isOpen(server: Server): boolean {
  return server.state === 'ready' && server.weight > 0
}
