import { formatProblem } from '../config/problems.ts'
import { own } from '../model/names.ts'
import type { Problem } from '../model/refusal.ts'
import { isFields } from '../model/shape.ts'
import type { ServiceSpec, Split } from '../model/spec.ts'
import { adaptSplit, sameSplit } from '../model/split.ts'
import type { JsonObject, JsonValue, Service, ServiceDocument } from '../model/state.ts'
import { currentSplit } from '../model/state.ts'
import type { Resolve } from './resolve.ts'

/** A service whose definition this version cannot read, because a newer version wrote it. */
export interface UnreadableService {
  readonly name: string
  readonly problems: readonly Problem[]
  /** Served by its last readable definition; otherwise its requests get 503, or match no service. */
  readonly isServed: boolean
}

/** The last readable definition of a service, and its split in force. */
export interface LastReadable {
  readonly source: JsonObject
  readonly split: Split
}

/** Last readable definitions from the previous process; see `LastReadableFile`. */
export interface Memory {
  recall(name: string): LastReadable | undefined
  /** Replaces the kept definitions by those that are needed now. */
  keep(all: Readonly<Record<string, LastReadable>>): void
}

/** Describes why a definition cannot be read, in one sentence. */
export function whyUnreadable({ problems: [first] }: UnreadableService): string {
  return first === undefined ? 'it is invalid' : formatProblem(first)
}

/** The routes of readable services. */
export class TakenRoutes {
  private readonly routes = new Set<string>()

  constructor(services: Iterable<Service>) {
    for (const { spec } of services)
      for (const path of spec.paths) for (const route of routes(spec, path)) this.routes.add(route)
  }

  /**
   * Removes the paths that readable services have from a specification: an outdated definition must not take their
   * traffic.
   */
  without(spec: ServiceSpec): ServiceSpec {
    const paths = spec.paths.filter((path) => !routes(spec, path).some((route) => this.routes.has(route)))
    return paths.length === spec.paths.length ? spec : { ...spec, paths }
  }
}

function routes({ hosts }: ServiceSpec, path: string): string[] {
  return hosts.length === 0 ? [path] : hosts.map((host) => `${host}${path}`)
}

/**
 * Returns a service whose document cannot be read, with its last readable specification. Decisions made since apply as
 * far as they name its pools and servers. The source stays that of the document: a write of this instance must not undo
 * settings that it cannot read.
 */
export function asLastReadable(document: ServiceDocument, spec: ServiceSpec, lastSplit: Split): Service {
  const current = currentSplit(document)
  const split = adaptSplit(current, Object.keys(spec.pools), lastSplit)
  const last = document.decisions.at(-1)
  const isSame = last !== undefined && sameSplit(split, current)
  const decisions = isSame ? document.decisions : [...document.decisions.slice(0, -1), { revision: 0, ...last, split }]
  return { ...document, decisions, spec }
}

/**
 * Returns a service that was never readable here: with its hosts, paths and pool names, if these can be read, and no
 * servers, so that its requests get 503. If they cannot be read, it matches no request.
 */
export function asOutline(document: ServiceDocument, resolve: Resolve): Service | null {
  const { hosts, paths, pools } = document.source
  const names = isFields(pools) ? Object.keys(pools) : []
  const [first] = names
  const routed = { ...given({ hosts, paths }), pools: pool(names), split: first === undefined ? {} : { [first]: 100 } }
  const outline = first === undefined ? null : resolve(document.name, routed)
  if (outline?.ok === true) return { ...document, spec: outline.spec }
  const nothing = resolve(document.name, { pools: pool(['none']) })
  return nothing.ok ? { ...document, spec: { ...nothing.spec, paths: [], pools: {} } } : null
}

function pool(names: readonly string[]): JsonObject {
  return Object.fromEntries(names.map((name) => [name, { servers: {} }]))
}

function given(members: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  return Object.fromEntries(
    Object.entries(members).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  )
}

/** Makes services from documents that cannot be read, and remembers their last readable definitions. */
export class UnreadableServices {
  services: readonly UnreadableService[] = []
  private readonly resolve: Resolve
  private readonly memory: Memory | null
  /** Last readable definitions of the services that cannot be read now, by name. */
  private last = new Map<string, LastReadable & { readonly spec: ServiceSpec }>()
  /**
   * Whether `follow` has run: its first run replaces what the previous process kept, even if all definitions can be
   * read.
   */
  private hasFollowed = false
  /** The document that each service was made from. */
  private readonly madeFrom = new WeakMap<Service, ServiceDocument>()

  constructor(resolve: Resolve, memory: Memory | null) {
    this.resolve = resolve
    this.memory = memory
  }

  /**
   * Returns services for documents that cannot be read; each comes with its problems. `before`: the previous services;
   * `readable`: the services of all other documents.
   */
  follow(
    documents: readonly (readonly [ServiceDocument, readonly Problem[]])[],
    before: Readonly<Record<string, Service>>,
    readable: Iterable<Service>,
  ): readonly Service[] {
    if (documents.length === 0 && this.services.length === 0 && this.hasFollowed) return []
    this.hasFollowed = true
    const taken = new TakenRoutes(documents.length === 0 ? [] : readable)
    const last: typeof this.last = new Map()
    const services: UnreadableService[] = []
    const made = documents.flatMap(([document, problems]) => {
      const { name } = document
      const known = own(before, name)
      const lastReadable = this.last.get(name) ?? this.readableBefore(name, known)
      services.push({ name, problems, isServed: lastReadable !== undefined })
      const service =
        lastReadable === undefined
          ? asOutline(document, this.resolve)
          : asLastReadable(document, lastReadable.spec, lastReadable.split)
      if (service === null) return []
      if (lastReadable !== undefined) last.set(name, { ...lastReadable, split: currentSplit(service) })
      return [this.same(known, { ...service, spec: taken.without(service.spec) }, document)]
    })
    this.services = services
    this.last = last
    this.memory?.keep(Object.fromEntries([...last].map(([name, { source, split }]) => [name, { source, split }])))
    return made
  }

  /** Finds an unreadable service by name; undefined = it can be read, or does not exist. */
  find(name: string): UnreadableService | undefined {
    return this.services.find((service) => service.name === name)
  }

  /** The last readable definition of a service, in this process or the previous one. */
  private readableBefore(name: string, known: Service | undefined) {
    const isOutline = this.find(name) !== undefined
    if (known !== undefined && !isOutline) return { source: known.source, split: currentSplit(known), spec: known.spec }
    const recalled = this.memory?.recall(name)
    const resolved = recalled === undefined ? null : this.resolve(name, recalled.source)
    return recalled !== undefined && resolved?.ok === true ? { ...recalled, spec: resolved.spec } : undefined
  }

  /** Returns the previous service object if nothing has changed, so that the proxies get no change. */
  private same(known: Service | undefined, service: Service, document: ServiceDocument): Service {
    const isSame = known !== undefined && this.madeFrom.get(known) === document
    if (isSame && known.spec.paths.length === service.spec.paths.length) return known
    this.madeFrom.set(service, document)
    return service
  }
}
