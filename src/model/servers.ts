import { unknown } from './draft.ts'
import { own, serverPath, targetKey } from './names.ts'
import type { Refusal } from './refusal.ts'
import type { ServerTls } from './spec.ts'
import { shareOf } from './split.ts'
import type { ServerRuntime, Service, State } from './state.ts'
import { currentSplit } from './state.ts'

/** One server as it stands: its definition and what people have said of it since. */
export interface Server {
  readonly service: string
  readonly pool: string
  readonly name: string
  readonly url: string
  readonly tls?: ServerTls
  /** `service/pool/server=url`. */
  readonly key: string
  readonly weight: number
  /** Requests and tunnels under way there at most, in one instance; 0 = unbounded. */
  readonly maxConnections: number
  readonly state: ServerRuntime['state']
  readonly cutAt: number | null
}

const READY: ServerRuntime = { state: 'ready', weight: null, cutAt: null }

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
        url: spec.url,
        ...(spec.tls === undefined ? {} : { tls: spec.tls }),
        key: targetKey(service.name, pool, name, spec.url),
        weight: runtime.weight ?? spec.weight,
        maxConnections: runtime.maxConnections ?? service.spec.connections.perServer,
        state: runtime.state,
        cutAt: runtime.cutAt,
      })
    }
  }
  return servers
}

/** Narrows servers by name; what is left out does not. */
export interface ServerFilter {
  readonly service?: string
  readonly pool?: string
  readonly server?: string
}

/** The servers that a filter leaves, with their services. */
export function findServers(state: State, filter: ServerFilter): { service: Service; server: Server }[] {
  return Object.values(state.services)
    .filter((service) => filter.service === undefined || service.name === filter.service)
    .flatMap((service) => serversOf(service, filter.pool).map((server) => ({ service, server })))
    .filter(({ server }) => filter.server === undefined || server.name === filter.server)
}

/** The first name of a filter that stands for nothing, among those the names before it leave; null when all do. */
export function unknownName(state: State, { service, pool, server }: ServerFilter): Refusal | null {
  const services = Object.values(state.services).filter(({ name }) => service === undefined || name === service)
  if (service !== undefined && services.length === 0) return unknown('service', service, Object.keys(state.services))
  const pools = new Set(services.flatMap(({ spec }) => Object.keys(spec.pools)))
  if (pool !== undefined && !pools.has(pool)) return unknown('pool', pool, [...pools])
  const names = new Set(services.flatMap((each) => serversOf(each, pool)).map(({ name }) => name))
  return server === undefined || names.has(server) ? null : unknown('server', server, [...names])
}

/** Keys of the servers that a service sends requests to, whatever their health. */
export function servingKeys(service: Service): string[] {
  const split = currentSplit(service)
  return serversOf(service)
    .filter((server) => shareOf(split, server.pool) > 0 && isOpen(server))
    .map(({ key }) => key)
}

/** Whether a server takes new requests as far as people are concerned; its health is another matter. */
export function isOpen(server: Server): boolean {
  return server.state === 'ready' && server.weight > 0
}
