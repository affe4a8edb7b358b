import { isDeepStrictEqual } from 'node:util'
import type { Discovery } from '../discovery/discovery.ts'
import {
  type Discover,
  type DiscoveredName,
  type DiscoveredServer,
  discoveredName,
  idOf,
  queryOf,
} from '../model/discovery.ts'
import { serverPath, serviceNameOf, targetKey } from '../model/names.ts'
import type { ServerAddress } from '../model/server-address.ts'
import { serversOf } from '../model/servers.ts'
import type { ServerSpec, ServiceSpec } from '../model/spec.ts'
import type { Service } from '../model/state.ts'
import { addressOfFound } from './found-address.ts'

/** Time for which a server that has vanished stays under checks, ms: one that flaps so has its health when it is back. */
const LINGER_MS = 60_000
/** Interval at which servers that have vanished are looked at, ms. */
const REVIEW_MS = 1_000

/** What is known of the health of servers. */
export interface DiscoveredHealth {
  isUp(key: string, address: ServerAddress): boolean
  /** Whether a server is in its first round of checks, or not known yet at this address. */
  isUndecided(key: string, address: ServerAddress): boolean
}

export interface DiscoveredServicesOptions {
  readonly discovery: Pick<Discovery, 'standingOf'>
  readonly health: DiscoveredHealth
  /** Whether requests are in flight at a server that takes no new ones. */
  readonly isBusy: (key: string) => boolean
  /** Called with the names of services for which `attach` has another result now. */
  readonly onChange: (services: readonly string[]) => void
  /** Monotonic ms. */
  readonly now?: () => number
  /** Milliseconds since the epoch. */
  readonly nowMs?: () => number
  readonly lingerMs?: number
}

interface Vanished {
  readonly server: DiscoveredServer
  /** Monotonic ms. */
  readonly since: number
  readonly sinceMs: number
  isClosed: boolean
}

/** The servers of one configured name. */
interface Track {
  readonly query: string
  current: readonly DiscoveredServer[]
  readonly vanished: Map<string, Vanished>
}

/**
 * Adds to services what DNS has found for their servers. A server that DNS does not have any more takes requests until
 * the others of its name are checked and one of them is up, or `timeouts.handover` has passed.
 */
export class DiscoveredServices {
  private readonly options: Required<DiscoveredServicesOptions>
  /** By service, and in that by `pool/server`. */
  private readonly tracks = new Map<string, Map<string, Track>>()
  /** The services as last attached, by name; only those with names to look up. */
  private readonly services = new Map<string, Service>()
  private timer: NodeJS.Timeout | null = null

  constructor(options: DiscoveredServicesOptions) {
    this.options = { now: () => performance.now(), nowMs: Date.now, lingerMs: LINGER_MS, ...options }
  }

  /** Returns a service with the servers that DNS has found; the same one if they have not changed. */
  attach(service: Service): Service {
    const looked = lookedUp(service)
    if (looked.length === 0) {
      this.forget(service.name)
      return service
    }
    const before = this.tracks.get(service.name)
    const tracks = new Map<string, Track>()
    const discovered: Record<string, DiscoveredName> = {}
    for (const { pool, name, spec, discover } of looked) {
      const path = serverPath(pool, name)
      const query = queryOf(discover)
      const known = before?.get(path)
      const track = known?.query === query ? known : { query, current: [], vanished: new Map() }
      tracks.set(path, track)
      this.update(track, spec, (id) => this.keyOf(service, pool, name, track, id), service.spec.handoverMs)
      const servers = [...track.current, ...[...track.vanished.values()].map(shown)]
      if (servers.length > 0) discovered[path] = { query, servers }
    }
    this.tracks.set(service.name, tracks)
    const attached = isDeepStrictEqual(service.discovered, discovered) ? service : { ...service, discovered }
    this.services.set(service.name, attached)
    this.watch()
    return attached
  }

  /** Looks at the names of these queries again, which have other servers now. */
  found(query: string): void {
    this.reviewIf((track) => track.query === query)
  }

  /** Looks at the servers again that have vanished: health, requests in flight or the time may have changed. */
  review(): void {
    this.reviewIf(({ vanished }) => vanished.size > 0)
  }

  /**
   * Returns a service with what is known of its names, without keeping it: for a definition that another one is about to
   * replace.
   */
  withKnown(service: Service): Service {
    if (service.discovered !== undefined) return service
    const discovered: Record<string, DiscoveredName> = {}
    for (const { pool, name, spec, discover } of lookedUp(service)) {
      const query = queryOf(discover)
      const servers = this.current(query, spec)
      if (servers.length > 0) discovered[serverPath(pool, name)] = { query, servers }
    }
    return Object.keys(discovered).length === 0 ? service : { ...service, discovered }
  }

  /** Whether a server has vanished and takes no requests any more. */
  isClosed(key: string): boolean {
    const service = this.services.get(serviceNameOf(key))
    return service !== undefined && serversOf(service).some((each) => each.key === key && each.closed === 'vanished')
  }

  /** What is to be looked up. */
  *wanted(): Iterable<Discover> {
    for (const service of this.services.values()) for (const { discover } of lookedUp(service)) yield discover
  }

  /** Forgets services that are gone. */
  tidy(exists: (service: string) => boolean): void {
    for (const name of [...this.services.keys()]) if (!exists(name)) this.forget(name)
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
  }

  private forget(service: string): void {
    this.tracks.delete(service)
    this.services.delete(service)
  }

  private reviewIf(concerns: (track: Track) => boolean): void {
    const changed: string[] = []
    for (const [name, tracks] of this.tracks) {
      const service = this.services.get(name)
      if (service === undefined || ![...tracks.values()].some(concerns)) continue
      if (this.attach(service) !== service) changed.push(name)
    }
    this.watch()
    if (changed.length > 0) this.options.onChange(changed)
  }

  private keyOf(service: Service, pool: string, name: string, track: Track, id: string): string {
    const server = track.current.find((each) => each.id === id) ?? track.vanished.get(id)?.server
    return targetKey(service.name, pool, discoveredName(name, id), server?.url ?? '')
  }

  /** Brings the servers of a name up to date. `keyOf`: the key of one, by its id. */
  private update(track: Track, spec: ServerSpec, keyOf: (id: string) => string, handoverMs: number): void {
    const { now, nowMs } = this.options
    const current = this.current(track.query, spec)
    const ids = new Set(current.map(({ id }) => id))
    for (const server of track.current)
      if (!ids.has(server.id))
        track.vanished.set(server.id, { server, since: now(), sinceMs: nowMs(), isClosed: false })
    for (const id of ids) track.vanished.delete(id)
    track.current = current
    this.closeVanished(track, keyOf, handoverMs)
  }

  private current(query: string, spec: ServerSpec): readonly DiscoveredServer[] {
    const found = this.options.discovery.standingOf(query).servers ?? []
    return found.map((server) => {
      const { weight, backup } = server
      return { id: idOf(server), ...addressOfFound(spec, server), weight, backup }
    })
  }

  private closeVanished(track: Track, keyOf: (id: string) => string, handoverMs: number): void {
    const { health, isBusy, now, lingerMs } = this.options
    if (track.vanished.size === 0) return
    const { current } = track
    const areReady =
      current.some((each) => health.isUp(keyOf(each.id), each)) &&
      !current.some((each) => health.isUndecided(keyOf(each.id), each))
    for (const [id, each] of track.vanished) {
      const ageMs = now() - each.since
      if (!each.isClosed) each.isClosed = areReady || ageMs >= handoverMs
      else if (ageMs >= lingerMs && !isBusy(keyOf(id))) track.vanished.delete(id)
    }
  }

  private watch(): void {
    const hasVanished = [...this.tracks.values()].some((tracks) =>
      [...tracks.values()].some(({ vanished }) => vanished.size > 0),
    )
    if (!hasVanished) this.stop()
    else this.timer ??= setInterval(() => this.review(), REVIEW_MS).unref()
  }
}

interface LookedUp {
  readonly pool: string
  readonly name: string
  readonly spec: ServerSpec
  readonly discover: NonNullable<ServerSpec['discover']>
}

const NONE: readonly LookedUp[] = []
const cache = new WeakMap<ServiceSpec, readonly LookedUp[]>()

/** The configured servers of a service whose names are looked up. */
function lookedUp({ spec }: Pick<Service, 'spec'>): readonly LookedUp[] {
  let known = cache.get(spec)
  if (known === undefined) {
    const found = findLookedUp(spec)
    known = found.length === 0 ? NONE : found
    cache.set(spec, known)
  }
  return known
}

function findLookedUp({ pools }: ServiceSpec): readonly LookedUp[] {
  return Object.entries(pools).flatMap(([pool, { servers }]) =>
    Object.entries(servers).flatMap(([name, spec]): LookedUp[] =>
      spec.discover === undefined ? [] : [{ pool, name, spec, discover: spec.discover }],
    ),
  )
}

function shown({ server, sinceMs, isClosed }: Vanished): DiscoveredServer {
  return { ...server, vanishedAtMs: sinceMs, ...(isClosed ? { isClosed: true } : {}) }
}
