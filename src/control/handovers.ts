import { isDeepStrictEqual } from 'node:util'
import type { ChangeGroup, DefinitionChange, HealthView, Services, Takeover } from '../model/handover.ts'
import { canServe, definitionChanges, groupChanges, missingServers, withDefinitionOf } from '../model/handover.ts'
import { own } from '../model/names.ts'
import type { Server } from '../model/servers.ts'
import { servingKeys } from '../model/servers.ts'
import type { HealthSpec, Split } from '../model/spec.ts'
import type { Service, ServiceDocument } from '../model/state.ts'
import { currentSplit, documentOf } from '../model/state.ts'

/** A server that a handover waits for. */
export interface MissingServer {
  readonly service: string
  readonly pool: string
  readonly server: string
  /** Its health in words, such as `not checked yet`. */
  readonly reason: string
}

/** A service that is in force with its previous definition, or not in force yet, while the new one waits. */
export interface Handover {
  /** Milliseconds since the epoch. */
  readonly sinceMs: number
  /** When the new definition is in force even if its servers are not up, ms since the epoch. */
  readonly untilMs: number
  /** Keys of the servers of the previous definition that take requests. */
  readonly serves: readonly string[]
  /** Servers of this service, or of one that takes over requests together with it. */
  readonly waitsFor: readonly MissingServer[]
}

/** Handovers that begin or end together. */
export interface HandoverEvent {
  readonly kind: 'begun' | 'ended'
  readonly services: readonly string[]
  /** Servers that it waits for, or that are not up though it has ended. */
  readonly missing: readonly MissingServer[]
}

/** Definitions in force that are not those of the state: for the next control process of this instance. */
export interface KeptDefinitions {
  /** By service; null = it is not in force yet. */
  readonly services: Readonly<Record<string, ServiceDocument | null>>
  /** When their handovers began, ms since the epoch. */
  readonly since: Readonly<Record<string, number>>
}

/** Health of the servers by the definitions in force, and by the current ones. */
export interface HandoverHealth {
  readonly inForce: HealthView
  readonly current: HealthView
  describe(key: string, server: Server, spec: HealthSpec): string
  /** Checks the servers of services that are not in force yet; `replaced`: names of the services that they replace. */
  prepare(services: readonly Service[], replaced: readonly string[]): void
}

export interface HandoversOptions {
  readonly health: HandoverHealth
  /** Monotonic ms. */
  readonly now: () => number
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number
  readonly onEvent?: (event: HandoverEvent) => void
}

/** A definition that is to change. */
interface Pending {
  readonly name: string
  /** As in force when the definition changed; null = it did not exist. */
  readonly before: Service | null
  /** null = it was removed. */
  readonly after: Service | null
  readonly splitThen: Split
  /** Monotonic ms. */
  readonly since: number
  /** The same in ms since the epoch. */
  readonly sinceMs: number
  /** The service as it is in force meanwhile; null = not at all. */
  readonly kept: Service | null
}

/**
 * Decides which definitions are in force. A new definition takes over requests when its servers are up; until then the
 * previous one serves them, as long as it can and for `timeouts.handover` at most.
 */
export class Handovers {
  /** The services in force. */
  inForce: Services = {}
  private wanted: Services = {}
  private groups: readonly ChangeGroup[] = []
  private pending = new Map<string, Pending>()
  /** When handovers of the previous control process began, ms since the epoch. */
  private restored: KeptDefinitions['since'] = {}
  private readonly options: HandoversOptions

  constructor(options: HandoversOptions) {
    this.options = options
  }

  /** Begins with the services that the proxies have in force from a previous control process. */
  resume(inForce: Services, since: KeptDefinitions['since']): void {
    this.inForce = inForce
    this.restored = since
  }

  /** Follows the state. `isServing`: proxies serve requests; otherwise all definitions are in force at once. */
  follow(wanted: Services, isServing: boolean): void {
    this.wanted = wanted
    const changes = isServing ? definitionChanges(this.inForce, wanted) : []
    const before = new Set(this.handingOver)
    const pending = new Map(changes.map((change) => [change.name, this.pend(change)]))
    this.restored = {}
    this.groups = groupChanges(changes, this.inForce, wanted)
    this.pending = pending
    this.prepare()
    this.update(before)
  }

  /** Puts in force what does not have to wait any more. Returns whether anything has changed. */
  advance(): boolean {
    if (this.groups.length === 0) return false
    const before = this.groups.length
    this.update(new Set(this.handingOver))
    return this.groups.length < before
  }

  /** Checks the servers of the definitions that wait, and of no others. */
  prepare(): void {
    const all = [...this.pending.values()]
    this.options.health.prepare(
      all.flatMap(({ after }) => after ?? []),
      all.map(({ name }) => name),
    )
  }

  /** Names of the services whose definitions wait. */
  get handingOver(): readonly string[] {
    return [...this.pending.keys()]
  }

  /** The handover of a service; undefined = its definition is in force. */
  of(name: string): Handover | undefined {
    const group = this.groups.find(({ names }) => names.includes(name))
    const pending = this.pending.get(name)
    if (group === undefined || pending === undefined) return undefined
    const waiting = group.takeovers.filter((takeover) => this.waits(takeover))
    const end = Math.max(pending.since, ...waiting.map((takeover) => this.endOf(takeover)))
    return {
      sinceMs: pending.sinceMs,
      untilMs: Math.round(pending.sinceMs + end - pending.since),
      serves: pending.kept === null ? [] : servingKeys(pending.kept),
      waitsFor: this.missingIn(group),
    }
  }

  /** When the next handover ends if its servers do not come up, monotonic ms; null = there is none. */
  nextAt(): number | null {
    const ends = this.groups.flatMap(({ takeovers }) =>
      takeovers.filter((takeover) => this.waits(takeover)).map((takeover) => this.endOf(takeover)),
    )
    return ends.length === 0 ? null : Math.min(...ends)
  }

  /** What the next control process has to know. */
  kept(): KeptDefinitions {
    const all = [...this.pending.values()]
    return {
      services: Object.fromEntries(all.map(({ name, kept }) => [name, kept && documentOf(kept)])),
      since: Object.fromEntries(all.map(({ name, sinceMs }) => [name, sinceMs])),
    }
  }

  private pend({ name, before, after }: DefinitionChange): Pending {
    const known = this.pending.get(name)
    const isKnown = known !== undefined && isDeepStrictEqual(known.after?.spec, after?.spec)
    if (isKnown && known.after === after) return known
    const nowMs = this.options.nowMs()
    const sinceMs = Math.min(nowMs, own(this.restored, name) ?? nowMs)
    const since = this.options.now() - (nowMs - sinceMs)
    const splitThen = after === null ? {} : currentSplit(after)
    const started = isKnown ? known : { name, before, splitThen, since, sinceMs }
    const kept =
      after === null || started.before === null
        ? started.before
        : withDefinitionOf(started.before, after, started.splitThen)
    return { ...started, after, kept }
  }

  /** Ends the handovers that are over, and reports which have begun and ended. `before`: those that waited. */
  private update(before: ReadonlySet<string>): void {
    const { onEvent = () => undefined } = this.options
    const waiting = this.groups.filter(({ takeovers }) => takeovers.some((takeover) => this.waits(takeover)))
    const over = this.groups.filter((group) => !waiting.includes(group))
    const missing = over
      .filter(({ names }) => names.some((name) => before.has(name)))
      .flatMap((group) => this.missingIn(group))
    for (const { names } of over) for (const name of names) this.pending.delete(name)
    this.groups = waiting
    this.inForce = this.compose()
    const ended = [...before].filter((name) => !this.pending.has(name))
    if (ended.length > 0) onEvent({ kind: 'ended', services: ended, missing })
    for (const group of waiting) {
      const begun = group.names.filter((name) => !before.has(name))
      if (begun.length > 0) onEvent({ kind: 'begun', services: begun, missing: this.missingIn(group) })
    }
  }

  /** Whether requests stay where they are for now. */
  private waits(takeover: Takeover): boolean {
    return (
      this.options.now() < this.endOf(takeover) &&
      canServe(this.sourceOf(takeover), this.options.health.inForce) &&
      this.missingFor(takeover).length > 0
    )
  }

  /** When a service takes over requests even if its servers are not up, monotonic ms. */
  private endOf({ from, to }: Takeover): number {
    const since = (this.pending.get(to) ?? this.pending.get(from))?.since ?? Number.NEGATIVE_INFINITY
    return since + this.targetOf(to).spec.handoverMs
  }

  private missingFor(takeover: Takeover): readonly Server[] {
    const { inForce, current } = this.options.health
    return missingServers(this.targetOf(takeover.to), current, this.sourceOf(takeover), inForce)
  }

  private missingIn({ takeovers }: Pick<ChangeGroup, 'takeovers'>): readonly MissingServer[] {
    const missing = new Map(takeovers.flatMap((takeover) => this.missingFor(takeover)).map((each) => [each.key, each]))
    return [...missing.values()].map((server) => {
      const { service, pool, name, key } = server
      const { health } = this.targetOf(service).spec
      const reason = health === null ? 'not up' : this.options.health.describe(key, server, health)
      return { service, pool, server: name, reason }
    })
  }

  /** The service that has the requests now. */
  private sourceOf({ from }: Takeover): Service {
    return found(this.pending.get(from)?.kept ?? own(this.wanted, from))
  }

  private targetOf(name: string): Service {
    return found(own(this.wanted, name))
  }

  /** The services of the state, those that wait as they were. */
  private compose(): Services {
    if (this.pending.size === 0) return this.wanted
    const services = new Map(Object.entries(this.wanted))
    for (const [name, { kept }] of this.pending) {
      if (kept === null) services.delete(name)
      else services.set(name, kept)
    }
    return Object.fromEntries(services)
  }
}

function found(service: Service | undefined): Service {
  if (service === undefined) throw new Error('a handover of a service that does not exist')
  return service
}
