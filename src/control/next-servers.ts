import type { TargetHealth } from '../health/check.ts'
import type { HealthChecker } from '../health/checker.ts'
import type { Service } from '../model/state.ts'
import { carriedOver, checkedTarget, type FollowedServer, followedPool } from './followed-servers.ts'

/** Distinguishes the check of a server from that of the server that is in force under the same key. */
const MARK = 'next '

/** A server of a definition that is not in force yet. */
export interface NextServer {
  /** Its key has the mark under which it is checked. */
  readonly server: FollowedServer
  /** The server in force whose health it takes over; undefined = there is none. */
  readonly from: FollowedServer | undefined
}

/** Returns the key of a server for the key under which it is checked. */
export function withoutMark(key: string): string {
  return key.startsWith(MARK) ? key.slice(MARK.length) : key
}

/** Checks the servers of definitions that are not in force yet. */
export class NextServers {
  private readonly checker: HealthChecker
  /** By key, without the mark. */
  private servers: ReadonlyMap<string, NextServer> = new Map()

  constructor(checker: HealthChecker) {
    this.checker = checker
  }

  get size(): number {
    return this.servers.size
  }

  get(key: string): NextServer | undefined {
    return this.servers.get(key)
  }

  /**
   * Checks the servers of these services from now on, and no others. `before`: servers in force, whose health carries
   * over to the same address; `prefers`: see `carriedOver`; `healthOf`: their health by checks.
   */
  follow(
    services: readonly Service[],
    before: readonly FollowedServer[],
    prefers: (server: FollowedServer, other: FollowedServer) => boolean,
    healthOf: (server: FollowedServer | undefined) => TargetHealth,
  ): void {
    if (services.length === 0 && this.servers.size === 0) return
    const servers = services.flatMap((service) =>
      Object.keys(service.spec.pools).flatMap((pool) => followedPool(service, pool).servers),
    )
    const carried = carriedOver(servers, new Map(before.map((server) => [server.key, server])), before, prefers)
    const next = servers.map((server): [string, NextServer] => [
      server.key,
      { server: { ...server, key: MARK + server.key }, from: carried.get(server.key) },
    ])
    const targets = next.flatMap(([, { server, from }]) => checkedTarget(server, healthOf(from)))
    const checked = new Set(targets.map(({ key }) => key))
    const gone = [...this.servers.values()].map(({ server }) => server.key).filter((key) => !checked.has(key))
    this.checker.change(targets, gone)
    this.servers = new Map(next)
  }
}
