import { own, serverPath, targetKey } from './names.ts'
import type { ServerRuntime, Service } from './state.ts'

/** One server as it stands: its definition and what people have said of it since. */
export interface Server {
  readonly service: string
  readonly pool: string
  readonly name: string
  readonly url: string
  /** `service/pool/server=url`. */
  readonly key: string
  readonly weight: number
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
        key: targetKey(service.name, pool, name, spec.url),
        weight: runtime.weight ?? spec.weight,
        state: runtime.state,
        cutAt: runtime.cutAt,
      })
    }
  }
  return servers
}

/** Whether a server takes new requests as far as people are concerned; its health is another matter. */
export function isOpen(server: Server): boolean {
  return server.state === 'ready' && server.weight > 0
}
