import type { KnownHealth } from '../../model/messages.ts'
import { addressIn } from '../../model/server-address.ts'
import type { TableServer, TableService } from '../../model/table.ts'
import type { Share } from '../share.ts'
import { dividedLimit } from '../share.ts'
import type { TargetEvents } from './target.ts'
import { Target } from './target.ts'

/** All servers of the current table, and removed ones with requests in flight. */
export class Targets {
  /** Incremented when the health of a server changes, to invalidate values derived from it. */
  epoch = 0
  private readonly byKey = new Map<string, Target>()
  /** Target keys by service of the table. */
  private readonly keysOf = new Map<string, ReadonlySet<string>>()
  private readonly events: TargetEvents
  private readonly share: Share

  constructor(events: TargetEvents, share: Share) {
    this.events = events
    this.share = share
  }

  /** Returns the target of a server in the table. */
  get(key: string): Target {
    const target = this.byKey.get(key)
    if (target === undefined) throw new Error(`no target ${key}`)
    return target
  }

  all(): IterableIterator<Target> {
    return this.byKey.values()
  }

  /**
   * Updates the targets of these services. Removed servers finish their requests. `nowMs`: the current time of the
   * clock that the deadlines refer to.
   */
  apply(services: readonly TableService[], removed: readonly string[], nowMs: number): void {
    for (const service of services) {
      const named = new Set<string>()
      for (const pool of service.pools) {
        for (const server of pool.servers) {
          named.add(server.key)
          const target = this.ensure(service, server)
          if (server.open) target.reopen(server.standby)
          else target.close(server.cutAt, nowMs)
        }
      }
      this.leaveAllBut(service.name, named)
      this.keysOf.set(service.name, named)
    }
    for (const name of removed) {
      this.leaveAllBut(name, new Set())
      this.keysOf.delete(name)
    }
    this.epoch++
  }

  /** Opens the servers that a fuse has put in the place of its canary's; returns whether there are any. */
  openStandbys({ pools }: TableService): boolean {
    const opened = pools.flatMap(({ servers }) => servers.filter(({ open, standby }) => open && standby === true))
    for (const { key } of opened) this.get(key).reopen(true)
    this.epoch++
    return opened.length > 0
  }

  private leaveAllBut(service: string, named: ReadonlySet<string>): void {
    for (const key of this.keysOf.get(service) ?? []) {
      const target = this.byKey.get(key)
      if (target !== undefined && !named.has(key)) this.leave(key, target)
    }
  }

  /** The known health of targets; those with unknown health are left out. */
  health(): KnownHealth {
    const now = performance.now()
    return [...this.byKey.values()]
      .filter(({ health }) => health !== 'unknown')
      .map(({ key, health, takesSince }) =>
        Number.isFinite(takesSince) ? [key, health, Math.round(now - takesSince)] : [key, health],
      )
  }

  /** Sets the health of targets, and retries the requests queued for them. */
  setHealth(changes: KnownHealth): void {
    const now = performance.now()
    for (const [key, health, takesForMs] of changes) {
      const target = this.byKey.get(key)
      if (target === undefined) continue
      target.health = health
      target.takesSince = takesForMs === undefined ? Number.NEGATIVE_INFINITY : now - takesForMs
    }
    this.epoch++
    for (const [key] of changes) this.byKey.get(key)?.queue?.pump()
  }

  /** Starts the trial of an ejected server: no other request is sent to it. */
  beginTrial(target: Target): void {
    target.health = 'ejected'
    this.epoch++
  }

  /** Ends a trial without a result: the next request becomes the trial. */
  returnTrial(target: Target): void {
    if (target.health !== 'ejected') return
    target.health = 'trial'
    this.epoch++
  }

  /**
   * Requests in flight at targets that accept no new ones. A target that only a fuse has opened counts as well, with 1
   * at least: for control it accepts none, and must not pass for idle.
   */
  busy(): Record<string, number> {
    const busy: Record<string, number> = {}
    for (const target of this.byKey.values()) {
      const { key, inFlight, isStandby } = target
      if (isStandby) busy[key] = Math.max(1, inFlight)
      else if (inFlight > 0 && target.isClosed()) busy[key] = inFlight
    }
    return busy
  }

  inFlight(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { key, inFlight } of this.byKey.values()) if (inFlight > 0) counts[key] = inFlight
    return counts
  }

  /** Removes an idle target that the table no longer names. */
  forgetIfGone(target: Target): void {
    if (target.isLeaving) this.byKey.delete(target.key)
  }

  private ensure(service: TableService, server: TableServer): Target {
    const { timeouts, connections } = service
    const settings = { connectMs: timeouts.connectMs, keepAliveMs: connections.keepAliveMs, address: addressIn(server) }
    let target = this.byKey.get(server.key)
    if (target === undefined) {
      target = new Target(server.key, server.name, settings, this.events)
      this.byKey.set(server.key, target)
    } else target.connections.configure(settings)
    target.isLeaving = false
    target.maxConnections = dividedLimit(server.maxConnections, this.share)
    target.leaveMs = service.drain.timeoutMs
    return target
  }

  private leave(key: string, target: Target): void {
    if (target.isLeaving) return
    target.health = 'unknown'
    target.leave()
    if (target.inFlight === 0) this.byKey.delete(key)
  }
}
