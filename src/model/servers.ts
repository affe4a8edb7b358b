import { configuredName, type DiscoveredServer, discoveredName, queryOf } from './discovery.ts'
import { unknown } from './draft.ts'
import { keyPattern, own, serverPath, targetKey } from './names.ts'
import type { Refusal } from './refusal.ts'
import { addressIn, type ServerAddress } from './server-address.ts'
import type { ServerSpec } from './spec.ts'
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
  /** The configured server whose name DNS has found it by; absent = it is a configured one. */
  readonly foundBy?: string
  /** When DNS ceased to have its address, ms since the epoch; absent = it has it, or is not asked. */
  readonly vanishedAtMs?: number
  /**
   * `unresolved`: its name has not had an address yet, so that there is no server. `vanished`: DNS does not have its
   * address any more, and others have taken its place. Absent = it takes requests, as far as state and weight let it.
   */
  readonly closed?: 'unresolved' | 'vanished'
}

const READY: ServerRuntime = { state: 'ready', weight: null, cutAt: null }

/**
 * The runtime settings of a server; `ready` and as configured unless changed. Those of a server that DNS has found are its
 * own, or else those of its name.
 */
export function runtimeOf(service: Service, pool: string, server: string): ServerRuntime {
  const set = own(service.servers, serverPath(pool, server))
  const name = configuredName(server)
  if (name === server) return set ?? READY
  const ofName = own(service.servers, serverPath(pool, name)) ?? READY
  if (set === undefined) return ofName
  const maxConnections = set.maxConnections ?? ofName.maxConnections
  return {
    ...set,
    weight: set.weight ?? ofName.weight,
    ...(maxConnections === undefined ? {} : { maxConnections }),
  }
}

/**
 * Every server of a service, or of one of its pools, in the order of the definition: for a name that is looked up, the
 * servers that DNS has found; one that is closed while there are none.
 */
export function serversOf(service: Service, onlyPool?: string): Server[] {
  const servers: Server[] = []
  for (const [pool, { servers: specs }] of Object.entries(service.spec.pools)) {
    if (onlyPool !== undefined && pool !== onlyPool) continue
    for (const [name, spec] of Object.entries(specs)) {
      if (spec.discover === undefined) servers.push(serverOf(service, pool, name, spec))
      else servers.push(...foundServers(service, pool, name, spec, spec.discover))
    }
  }
  return servers
}

function serverOf(service: Service, pool: string, name: string, spec: ServerSpec): Server {
  const runtime = runtimeOf(service, pool, name)
  return {
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
  }
}

function foundServers(
  service: Service,
  pool: string,
  name: string,
  spec: ServerSpec,
  discover: NonNullable<ServerSpec['discover']>,
): Server[] {
  const found = own(service.discovered ?? {}, serverPath(pool, name))
  // What was found for another name belongs to the previous definition of this server.
  if (found === undefined || found.query !== queryOf(discover) || found.servers.length === 0)
    return [{ ...serverOf(service, pool, name, spec), closed: 'unresolved' }]
  return found.servers.map((server) => foundServer(service, pool, name, spec, server))
}

function foundServer(
  service: Service,
  pool: string,
  name: string,
  spec: ServerSpec,
  { id, weight, backup, vanishedAtMs, isClosed, ...address }: DiscoveredServer,
): Server {
  const found = { ...spec, ...address, backup: spec.backup || backup }
  const server = serverOf(service, pool, discoveredName(name, id), found)
  const set = own(service.servers, serverPath(pool, server.name))
  return {
    ...server,
    weight: set === undefined || set.weight === null ? server.weight * weight : server.weight,
    foundBy: name,
    ...(vanishedAtMs === undefined ? {} : { vanishedAtMs }),
    ...(isClosed === true ? { closed: 'vanished' } : {}),
  }
}

/**
 * Keys of servers for drains. A server that DNS has found stands for all servers of its name, since other instances may
 * know of more: see `matchesKey`.
 */
export function drainKeys(servers: readonly Server[]): string[] {
  const keys = servers.map(({ key }) => key)
  const names = servers.flatMap((server) => {
    const name = server.foundBy ?? (server.closed === 'unresolved' ? server.name : null)
    return name === null ? [] : [keyPattern(server.service, server.pool, name)]
  })
  return [...keys, ...new Set(names)]
}

/** Selects servers by name; a name that is absent matches all, and that of a configured server also all that it has found. */
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
    .filter(({ server: { name, foundBy } }) => [undefined, name, foundBy].includes(filter.server))
}

/** Refuses the first name of a filter that does not exist within the names before it; null = all exist. */
export function unknownName(state: State, { service, pool, server }: ServerFilter): Refusal | null {
  const services = Object.values(state.services).filter(({ name }) => service === undefined || name === service)
  if (service !== undefined && services.length === 0) return unknown('service', service, Object.keys(state.services))
  const pools = new Set(services.flatMap(({ spec }) => Object.keys(spec.pools)))
  if (pool !== undefined && !pools.has(pool)) return unknown('pool', pool, [...pools])
  const servers = services.flatMap((each) => serversOf(each, pool))
  const names = new Set(servers.flatMap(({ name, foundBy }) => (foundBy === undefined ? [name] : [foundBy, name])))
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

/** Whether a server may take new requests by its state and weight, and by DNS, whatever its health. */
export function isOpen(server: Server): boolean {
  return server.state === 'ready' && server.weight > 0 && server.closed === undefined
}
