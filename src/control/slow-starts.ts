import type { KnownHealth } from '../model/messages.ts'
import { weightShare } from '../model/slow-start.ts'
import type { FollowedChanges, FollowedServer, FollowedServers } from './followed-servers.ts'

type Entry = KnownHealth[number]

/**
 * Since when servers take requests, for `slowStart`. Control keeps this for all proxies, so that a new worker
 * goes on where the others are, and learns it from the workers when it has been restarted itself. Times are monotonic ms.
 */
export class SlowStarts {
  /** By key, for servers that take requests; -Infinity = longer than is known. */
  private readonly since = new Map<string, number>()
  private readonly isUp: (key: string) => boolean

  constructor(isUp: (key: string) => boolean) {
    this.isUp = isUp
  }

  /** Takes over changes of the state, after those of health that they cause. */
  follow({ servers, gone, moved }: FollowedChanges, nowMs: number): void {
    for (const [key, from] of moved) {
      const since = this.since.get(from.key)
      if (since !== undefined) this.since.set(key, since)
    }
    for (const key of gone) this.since.delete(key)
    this.update(servers, nowMs)
  }

  /** Takes over changes of the health of these servers. */
  update(servers: readonly FollowedServer[], nowMs: number): void {
    for (const server of servers) {
      if (!this.takesRequests(server)) this.since.delete(server.key)
      else if (!this.since.has(server.key)) this.since.set(server.key, nowMs)
    }
  }

  /** Takes over what a proxy has from a previous control process. */
  adopt(known: KnownHealth, servers: Pick<FollowedServers, 'get'>, nowMs: number): void {
    for (const [key, health, takesForMs] of known) {
      const server = servers.get(key)
      if (server === undefined || health !== 'up' || !this.takesRequests(server)) continue
      const since = takesForMs === undefined ? Number.NEGATIVE_INFINITY : nowMs - takesForMs
      this.since.set(key, Math.min(since, this.since.get(key) ?? nowMs))
    }
  }

  /** The health of a server as sent to proxies. */
  entry(server: FollowedServer, health: Entry[1], nowMs: number): Entry {
    const takesForMs = health === 'up' ? this.takesForMs(server, nowMs) : undefined
    return takesForMs === undefined ? [server.key, health] : [server.key, health, takesForMs]
  }

  /** Part of its weight that a server has; below 1 in slow start. */
  weightShare(server: FollowedServer, nowMs: number): number {
    const takesForMs = this.takesForMs(server, nowMs)
    return takesForMs === undefined ? 1 : weightShare(takesForMs, server.pool.slowStartMs)
  }

  /** For how long a server has taken requests; undefined = it is not in slow start. */
  private takesForMs({ key, pool }: FollowedServer, nowMs: number): number | undefined {
    const since = this.since.get(key)
    if (since === undefined || nowMs - since >= pool.slowStartMs) return undefined
    return Math.round(nowMs - since)
  }

  private takesRequests({ key, isOpen, pool }: FollowedServer): boolean {
    return isOpen && pool.hasTraffic && this.isUp(key)
  }
}
