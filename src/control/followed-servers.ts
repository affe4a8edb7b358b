import { isOpen, serversOf } from '../model/servers.ts'
import type { ServiceChanges } from '../model/service-changes.ts'
import type { HealthSpec, PassiveSpec, ServerTls } from '../model/spec.ts'
import { shareOf } from '../model/split.ts'
import type { Service } from '../model/state.ts'
import { currentSplit } from '../model/state.ts'

/** A server as far as its health goes. */
export interface FollowedServer {
  readonly key: string
  readonly url: string
  readonly tls?: ServerTls
  readonly pool: FollowedPool
  /** By what it is checked; null = it counts as up unchecked. */
  readonly spec: HealthSpec | null
  /** It is probed: not in `maint`, nor unchecked. */
  readonly isChecked: boolean
  /** It takes new requests, as far as people are concerned. */
  readonly isOpen: boolean
}

export interface FollowedPool {
  /** Identity: `service/pool`. */
  readonly name: string
  readonly passive: PassiveSpec
  readonly hasTraffic: boolean
  /** In the order of the definition. */
  readonly servers: readonly FollowedServer[]
}

/** What has become of the servers of some services. */
export interface FollowedChanges {
  /** All that these services have now. */
  readonly servers: readonly FollowedServer[]
  /** Their pools; one that is gone has no servers. */
  readonly pools: readonly FollowedPool[]
  /** What they had before, by key. */
  readonly before: ReadonlyMap<string, FollowedServer>
  /** Of those, the keys that are no more. */
  readonly gone: readonly string[]
  /** Servers that have come under another key, with the one they had before: the address is the same. */
  readonly moved: ReadonlyMap<string, FollowedServer>
}

/** The servers of the state in force, by key and by pool: a change costs as much as the services it changes have. */
export class FollowedServers {
  private readonly byKey = new Map<string, FollowedServer>()
  private readonly poolsOf = new Map<string, readonly FollowedPool[]>()

  get(key: string): FollowedServer | undefined {
    return this.byKey.get(key)
  }

  all(): IterableIterator<FollowedServer> {
    return this.byKey.values()
  }

  /** `prefers`: of two servers of one address that are gone, whether the first is the one that has moved. */
  follow(
    { changed, removed }: ServiceChanges,
    prefers: (server: FollowedServer, other: FollowedServer) => boolean,
  ): FollowedChanges {
    const before = new Map<string, FollowedServer>()
    const pools = new Map<string, FollowedPool>()
    for (const name of [...changed.map((service) => service.name), ...removed]) {
      for (const pool of this.poolsOf.get(name) ?? []) {
        pools.set(pool.name, { ...pool, servers: [] })
        for (const server of pool.servers) {
          before.set(server.key, server)
          this.byKey.delete(server.key)
        }
      }
      this.poolsOf.delete(name)
    }
    const servers: FollowedServer[] = []
    for (const service of changed) {
      const followed = Object.keys(service.spec.pools).map((pool) => followedPool(service, pool))
      this.poolsOf.set(service.name, followed)
      for (const pool of followed) {
        pools.set(pool.name, pool)
        servers.push(...pool.servers)
      }
    }
    for (const server of servers) this.byKey.set(server.key, server)
    const gone = [...before.values()].filter(({ key }) => !this.byKey.has(key))
    return {
      servers,
      pools: [...pools.values()],
      before,
      gone: gone.map(({ key }) => key),
      moved: moves(
        servers.filter(({ key }) => !before.has(key)),
        gone,
        prefers,
      ),
    }
  }
}

function followedPool(service: Service, name: string): FollowedPool {
  const { passive, health } = service.spec
  const servers: FollowedServer[] = []
  const pool: FollowedPool = {
    name: `${service.name}/${name}`,
    passive,
    hasTraffic: shareOf(currentSplit(service), name) > 0,
    servers,
  }
  for (const server of serversOf(service, name)) {
    servers.push({
      key: server.key,
      url: server.url,
      ...(server.tls && { tls: server.tls }),
      pool,
      spec: health,
      isChecked: health !== null && server.state !== 'maint',
      isOpen: isOpen(server),
    })
  }
  return pool
}

function moves(
  added: readonly FollowedServer[],
  gone: readonly FollowedServer[],
  prefers: (server: FollowedServer, other: FollowedServer) => boolean,
): ReadonlyMap<string, FollowedServer> {
  const byUrl = new Map<string, FollowedServer>()
  for (const server of gone) {
    const known = byUrl.get(server.url)
    if (known === undefined || prefers(server, known)) byUrl.set(server.url, server)
  }
  const moved = new Map<string, FollowedServer>()
  for (const { key, url } of added) {
    const from = byUrl.get(url)
    if (from !== undefined) moved.set(key, from)
  }
  return moved
}
