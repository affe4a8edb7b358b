import { tooManyRoutes } from '../config/check-bounds.ts'
import { checkNewService, checkService } from '../config/check-service.ts'
import { mergePatch } from '../config/merge.ts'
import { findOverlaps } from '../config/overlaps.ts'
import type { Definition, Facts } from '../model/commands.ts'
import { own } from '../model/names.ts'
import type { Problem, Refusal } from '../model/refusal.ts'
import { isFields } from '../model/shape.ts'
import { adaptSplit, allTo, sameSplit, splitProblems } from '../model/split.ts'
import type { JsonObject, JsonValue, Service, State } from '../model/state.ts'
import { currentSplit } from '../model/state.ts'
import type { CommandMaker } from './controller.ts'

/** Creates or replaces a service. */
export function defineService(name: string, source: JsonObject): CommandMaker {
  return (state) => define(state, name, source, own(state.services, name) === undefined ? 'create' : 'replace')
}

/** Merges a patch (RFC 7396) into a service's definition. */
export function patchService(name: string, patch: JsonObject): CommandMaker {
  return (state) => {
    const service = own(state.services, name)
    if (service === undefined) return unknownService(state, name)
    const merged = mergePatch(service.source, patch)
    if (own(patch, 'split') === undefined) return define(state, name, withFittingSplit(merged, service), 'patch')
    const made = define(state, name, merged, 'patch')
    return splitRefusal(service, made) ?? made
  }
}

/** Creates or replaces (`null`: removes) a pool of a service. */
export function setPool(name: string, pool: string, definition: JsonObject | null): CommandMaker {
  return (state, _request, facts) => {
    const service = own(state.services, name)
    if (service === undefined) return unknownService(state, name)
    const pools = Object.keys(service.spec.pools)
    if (definition !== null)
      return define(state, name, replaced(service.source, ['pools', pool], definition), 'set pool')
    const leaving = `${pool}/`
    if (!pools.includes(pool) && isLeaving(service, leaving, facts)) return askAgain(service, leaving, 'delete pool')
    if (!pools.includes(pool)) return { refusal: { kind: 'unknown', what: 'pool', name: pool, known: pools } }
    const rest = pools.filter((other) => other !== pool)
    const [first] = rest
    const left = first === undefined ? null : adaptSplit(currentSplit(service), rest, allTo(first))
    const source = replaced(replaced(service.source, ['pools', pool], null), ['split'], left)
    return define(state, name, source, 'delete pool')
  }
}

/** Creates or replaces (`null`: removes) a server of a pool. */
export function setServer(name: string, pool: string, server: string, definition: JsonValue): CommandMaker {
  return (state, _request, facts) => {
    const service = own(state.services, name)
    if (service === undefined) return unknownService(state, name)
    const known = own(service.spec.pools, pool)
    const leaving = `${pool}/${server}=`
    const isThere = own(known?.servers ?? {}, server) !== undefined
    if (definition === null && !isThere && isLeaving(service, leaving, facts))
      return askAgain(service, leaving, 'delete server')
    if (known === undefined) {
      return { refusal: { kind: 'unknown', what: 'pool', name: pool, known: Object.keys(service.spec.pools) } }
    }
    if (definition === null && !isThere) {
      return { refusal: { kind: 'unknown', what: 'server', name: server, known: Object.keys(known.servers) } }
    }
    const source = replaced(service.source, ['pools', pool, 'servers', server], definition)
    return define(state, name, source, definition === null ? 'delete server' : 'set server')
  }
}

/** Whether a part of a service was removed and still has requests in flight; `part`: `pool/` or `pool/server=`. */
function isLeaving({ name }: Service, part: string, { leaving = [] }: Facts): boolean {
  return leaving.some((key) => key.startsWith(`${name}/${part}`))
}

/** Repeats a removal that was made before: it changes nothing, and can be waited for. */
function askAgain({ name, source, spec }: Service, leaving: string, action: string): ReturnType<CommandMaker> {
  return { command: { kind: 'define', service: name, definition: { source, spec }, action, leaving } }
}

/**
 * Fills in the split of a definition with several pools and no split from its service: the split in force stays, and a
 * new pool gets no share. Returns the definition unchanged if the service does not exist or keeps no pool with a share.
 */
export function withKnownSplit(source: JsonObject, service: Service | undefined): JsonObject {
  const pools = poolsOf(source)
  const given = own(source, 'split') ?? null
  if (service === undefined || given !== null || pools.length < 2) return source
  const written = own(service.source, 'split')
  if (isFields(written) && splitProblems(written, pools).length === 0) return { ...source, split: written }
  const split = adaptSplit(currentSplit(service), pools, {})
  return Object.keys(split).length === 0 ? source : { ...source, split }
}

/** Does the same if the split of the definition does not fit its pools because they have changed since. */
export function withFittingSplit(source: JsonObject, service: Service | undefined): JsonObject {
  const split = own(source, 'split')
  const isStale = isFields(split) && splitProblems(split, poolsOf(source)).length > 0
  return withKnownSplit(isStale ? replaced(source, ['split'], null) : source, service)
}

function poolsOf({ pools }: JsonObject): readonly string[] {
  return isFields(pools) ? Object.keys(pools) : []
}

function define(state: State, name: string, given: JsonObject, action: string): ReturnType<CommandMaker> {
  const checked = checkDefinition(state, name, given)
  if (!('definition' in checked)) return { refusal: { kind: 'invalid', problems: checked.problems } }
  return { command: { kind: 'define', service: name, definition: checked.definition, action } }
}

/** Checks a new definition of a service in this state; fills in the split, see `withKnownSplit`. */
export function checkDefinition(
  state: State,
  name: string,
  given: JsonObject,
): { readonly definition: Definition } | { readonly problems: readonly Problem[] } {
  const source = withKnownSplit(given, own(state.services, name))
  const checked = checkNewService(name, source)
  if (!checked.ok) return checked
  const definition = { source, spec: checked.spec }
  const problems = overlaps(state, new Map([[name, definition]]))
  return problems.length > 0 ? { problems } : { definition }
}

/**
 * Refuses a patch of `split` that would have no effect: after the first decision, only a shift changes the split in
 * force.
 */
function splitRefusal(service: Service, made: ReturnType<CommandMaker>): ReturnType<CommandMaker> | null {
  if ('refusal' in made || made.command.kind !== 'define') return null
  const { pools, split } = made.command.definition.spec
  if (sameSplit(adaptSplit(currentSplit(service), Object.keys(pools), split), split)) return null
  const message = `is only the first decision of a service; change it with POST /api/services/${service.name}/shift`
  return { refusal: { kind: 'invalid', problems: [{ path: 'split', message }] } }
}

/** Lists problems with the hosts and paths of changed services: too many routes, or routes of another service. */
export function overlaps(state: State, changed: ReadonlyMap<string, Definition | null>): Problem[] {
  const all = new Map(Object.values(state.services).map(({ name, spec }) => [name, spec]))
  for (const [name, definition] of changed) {
    if (definition === null) all.delete(name)
    else all.set(name, definition.spec)
  }
  const tooMany = tooManyRoutes(all.values())
  const touched = [...changed.values()].some((definition) => definition !== null)
  if (tooMany !== null && touched) return [{ path: 'hosts', message: tooMany }]
  return findOverlaps(Object.fromEntries(all))
    .filter(({ service }) => changed.has(service))
    .map(({ path, message }) => ({ path, message }))
}

/** Returns the definition with its resolved specification; undefined = invalid. */
export function resolve(name: string, source: JsonObject): Definition | undefined {
  const checked = checkService(name, source)
  return checked.ok ? { source, spec: checked.spec } : undefined
}

/** Lists the problems with the definition of a service in a file. */
export function problemsOf(name: string, source: JsonObject): readonly Problem[] {
  const checked = checkService(name, source, `services.${name}`)
  return checked.ok ? [] : checked.problems
}

/** Returns a copy of a document with the value at a path replaced; null removes it. */
export function replaced(document: JsonObject, path: readonly string[], value: JsonValue): JsonObject {
  const [key = '', ...rest] = path
  const entries = new Map(Object.entries(document))
  if (rest.length > 0) {
    const inner = entries.get(key)
    const isObject = typeof inner === 'object' && inner !== null && !Array.isArray(inner)
    entries.set(key, replaced(isObject ? (inner as JsonObject) : {}, rest, value))
  } else if (value === null) entries.delete(key)
  else entries.set(key, value)
  return Object.fromEntries(entries)
}

export function unknownService(state: State, name: string): { refusal: Refusal } {
  return { refusal: { kind: 'unknown', what: 'service', name, known: Object.keys(state.services) } }
}
