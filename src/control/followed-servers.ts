import type { TargetHealth } from '../health/check.ts'
import { addressOf, type CheckedTarget } from '../health/checker.ts'
import { addressIn, type ServerAddress } from '../model/server-address.ts'
import { answersClients, isOpen, serversOf } from '../model/servers.ts'
import type { ServiceChanges } from '../model/service-changes.ts'
import type { HealthSpec, PassiveSpec } from '../model/spec.ts'
import type { Service } from '../model/state.ts'

/** A server, with the settings that matter for its health. */
export interface FollowedServer extends ServerAddress {
  readonly key: string
  readonly pool: FollowedPool
  /** Spec of its health checks; null = it is not checked and counts as up. */
  readonly spec: HealthSpec | null
  /** Whether it is probed: it has a spec, and is not in `maint`. */
  readonly isChecked: boolean
  readonly backup: boolean
  /** Whether state and weight let it take new requests, whatever its health. */
  readonly isOpen: boolean
}

export interface FollowedPool {
  /** Identity: `service/pool`. */
  readonly name: string
  readonly passive: PassiveSpec
  /** 0 = off. */
  readonly slowStartMs: number
  readonly hasTraffic: boolean
  /** In the order of the definition. */
  readonly servers: readonly FollowedServer[]
}

/** Changes of the servers of some services. */
export interface FollowedChanges {
  /** All current servers of these services. */
  readonly servers: readonly FollowedServer[]
  /** Their pools, those that were removed included, without servers. */
  readonly pools: readonly FollowedPool[]
  /** The previous servers of these services, by key. */
  readonly before: ReadonlyMap<string, FollowedServer>
  /** Keys of the previous servers that were removed. */
  readonly gone: readonly string[]
  /** By key: the previous server with the same address, whose health carries over: under this key, or a removed one. */
  readonly carried: ReadonlyMap<string, FollowedServer>
}

/**
 * The servers of the state in force, by key and by pool. The cost of a change depends on the size of the changed
 * services.
 */
export class FollowedServers {
  private readonly byKey = new Map<string, FollowedServer>()
  private readonly poolsOf = new Map<string, readonly FollowedPool[]>()

  get(key: string): FollowedServer | undefined {
    return this.byKey.get(key)
  }

  all(): IterableIterator<FollowedServer> {
    return this.byKey.values()
  }

  /** The servers of these services, all pools together. */
  of(services: readonly string[]): readonly FollowedServer[] {
    return services.flatMap((name) => (this.poolsOf.get(name) ?? []).flatMap(({ servers }) => servers))
  }

  /** Applies changes. `prefers`: of two removed servers with one address, whether the first is the one that moved. */
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
      carried: carriedOver(servers, before, gone, prefers),
    }
  }
}

/** A pool of a service, with its servers. */
export function followedPool(service: Service, name: string): FollowedPool {
  const { passive, health, traffic } = service.spec
  const servers: FollowedServer[] = []
  const pool: FollowedPool = {
    name: `${service.name}/${name}`,
    passive,
    slowStartMs: traffic.slowStartMs,
    hasTraffic: answersClients(service, name),
    servers,
  }
  for (const server of serversOf(service, name)) {
    if (server.closed === 'unresolved') continue
    servers.push({
      key: server.key,
      ...addressIn(server),
      pool,
      spec: health,
      isChecked: health !== null && server.state !== 'maint',
      backup: server.backup,
      isOpen: isOpen(server),
    })
  }
  return pool
}

/** Returns the target of a server's checks, which begin with the health `known`; none if it is not checked. */
export function checkedTarget(server: FollowedServer, known: TargetHealth): readonly CheckedTarget[] {
  const { key, spec, isChecked } = server
  if (spec === null || !isChecked) return []
  return [{ key, ...addressIn(server), spec, ...(known.probed ? { known } : {}) }]
}

/**
 * Finds the previous server with the same address for each server: `before`, by key, or else among those in `others`.
 * `prefers`: of two servers with one address, whether the first is the one that moved.
 */
export function carriedOver(
  servers: readonly FollowedServer[],
  before: ReadonlyMap<string, FollowedServer>,
  others: readonly FollowedServer[],
  prefers: (server: FollowedServer, other: FollowedServer) => boolean,
): ReadonlyMap<string, FollowedServer> {
  const byAddress = new Map<string, FollowedServer>()
  for (const server of others) {
    const address = addressOf(server)
    const known = byAddress.get(address)
    if (known === undefined || prefers(server, known)) byAddress.set(address, server)
  }
  const carried = new Map<string, FollowedServer>()
  for (const server of servers) {
    const same = before.get(server.key)
    const isSame = same !== undefined && addressOf(same) === addressOf(server)
    const from = isSame ? same : byAddress.get(addressOf(server))
    if (from !== undefined) carried.set(server.key, from)
  }
  return carried
}
