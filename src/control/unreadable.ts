import { formatProblem } from '../config/problems.ts'
import { own } from '../model/names.ts'
import type { Problem } from '../model/refusal.ts'
import { isFields } from '../model/shape.ts'
import type { ServiceSpec, Split } from '../model/spec.ts'
import { adaptSplit, sameSplit } from '../model/split.ts'
import type { JsonObject, JsonValue, Service, ServiceDocument } from '../model/state.ts'
import { currentSplit } from '../model/state.ts'
import type { Resolve } from './resolve.ts'

/** A definition in the store that this version cannot read: a newer one has written it. */
export interface UnreadableService {
  readonly name: string
  readonly problems: readonly Problem[]
  /** It is served as it was last readable here; otherwise its requests are answered 503, or find no service. */
  readonly isServed: boolean
}

/** What was last readable of a service, and where its requests went by it. */
export interface LastReadable {
  readonly source: JsonObject
  readonly split: Split
}

/** What is known of definitions from before this process; see `LastReadableFile`. */
export interface Memory {
  recall(name: string): LastReadable | undefined
  /** Keeps those that are needed now, instead of what was kept before. */
  keep(all: Readonly<Record<string, LastReadable>>): void
}

/** Why a definition cannot be read, in one sentence. */
export function whyUnreadable({ problems: [first] }: UnreadableService): string {
  return first === undefined ? 'it makes no sense' : formatProblem(first)
}

/** Routes that readable services answer to. */
export class TakenRoutes {
  private readonly routes = new Set<string>()

  constructor(services: Iterable<Service>) {
    for (const { spec } of services)
      for (const path of spec.paths) for (const route of routes(spec, path)) this.routes.add(route)
  }

  /** A specification without the paths that another service answers to: a definition that is not in force takes no traffic away. */
  without(spec: ServiceSpec): ServiceSpec {
    const paths = spec.paths.filter((path) => !routes(spec, path).some((route) => this.routes.has(route)))
    return paths.length === spec.paths.length ? spec : { ...spec, paths }
  }
}

function routes({ hosts }: ServiceSpec, path: string): string[] {
  return hosts.length === 0 ? [path] : hosts.map((host) => `${host}${path}`)
}

/**
 * A service whose document cannot be read, by the definition that was last readable. What was decided since applies to
 * it, as far as it names the same pools and servers. The source stays the document's: what this instance writes back must
 * not undo what it does not understand.
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
 * A service of which nothing was ever readable here: its hosts, paths and pools by name, as far as they can be told, and no
 * server, so that its requests are answered 503. What cannot be told answers to nothing.
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

/** Makes services of documents that cannot be read, and remembers what was last readable of them. */
export class Unreadable {
  services: readonly UnreadableService[] = []
  private readonly resolve: Resolve
  private readonly memory: Memory | null
  /** By name, of those that cannot be read now. */
  private last = new Map<string, LastReadable & { readonly spec: ServiceSpec }>()
  /** What a process before this one has kept is settled. */
  private hasFollowed = false
  private readonly madeFrom = new WeakMap<Service, ServiceDocument>()

  constructor(resolve: Resolve, memory: Memory | null) {
    this.resolve = resolve
    this.memory = memory
  }

  /**
   * The services of documents that cannot be read, with the problems of each. `before`: the services as they were;
   * `readable`: those of all other documents.
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

  /** A service of these by its name; undefined = it can be read, or is not there. */
  find(name: string): UnreadableService | undefined {
    return this.services.find((service) => service.name === name)
  }

  /** What was readable of a service until now: here, or in a process before this one. */
  private readableBefore(name: string, known: Service | undefined) {
    const isOutline = this.find(name) !== undefined
    if (known !== undefined && !isOutline) return { source: known.source, split: currentSplit(known), spec: known.spec }
    const recalled = this.memory?.recall(name)
    const resolved = recalled === undefined ? null : this.resolve(name, recalled.source)
    return recalled !== undefined && resolved?.ok === true ? { ...recalled, spec: resolved.spec } : undefined
  }

  /** The service as it was, if it is still the same: nobody need be told of it anew. */
  private same(known: Service | undefined, service: Service, document: ServiceDocument): Service {
    const isSame = known !== undefined && this.madeFrom.get(known) === document
    if (isSame && known.spec.paths.length === service.spec.paths.length) return known
    this.madeFrom.set(service, document)
    return service
  }
}
