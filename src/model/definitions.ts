import { isDeepStrictEqual } from 'node:util'
import type { Definition } from './commands.ts'
import { configuredName } from './discovery.ts'
import type { Edit } from './draft.ts'
import { own } from './names.ts'
import { adaptSplit, sameSplit } from './split.ts'
import type { AppliedConfiguration, JsonObject, JsonValue, Service, State } from './state.ts'
import { currentSplit } from './state.ts'

/**
 * Creates or replaces a service; its routing decisions and runtime state are kept. Empty = the definition is the same.
 */
export function define(state: State, name: string, definition: Definition, action: string): Edit[] {
  const before = own(state.services, name) ?? null
  if (before !== null && isDeepStrictEqual(before.source, definition.source)) return []
  const after = before === null ? created(name, definition) : redefined(before, definition)
  return [{ before, after, service: name, action, ...differences(before?.source ?? {}, definition.source) }]
}

function created(name: string, { source, spec }: Definition): Service {
  return { name, revision: 0, source, spec, decisions: [{ revision: 0, split: spec.split }], servers: {}, poolCuts: {} }
}

/** The service with its new definition, and the runtime state of every pool and server that still exists. */
export function redefined(before: Service, { source, spec }: Definition): Service {
  const pools = Object.keys(spec.pools)
  const split = adaptSplit(currentSplit(before), pools, spec.split)
  const changed = !sameSplit(split, currentSplit(before))
  const servers = Object.fromEntries(
    Object.entries(before.servers).filter(([path]) => {
      const [pool = '', server = ''] = path.split('/')
      return own(own(spec.pools, pool)?.servers ?? {}, configuredName(server)) !== undefined
    }),
  )
  const poolCuts = Object.fromEntries(Object.entries(before.poolCuts).filter(([pool]) => pools.includes(pool)))
  const decisions = changed ? [...before.decisions, { revision: 0, split }] : before.decisions
  return { ...before, source, spec, decisions, servers, poolCuts }
}

/**
 * Applies the services that a configuration file changes. Without `configuration` in the result, the file is in force
 * already.
 */
export function configure(
  state: State,
  services: Readonly<Record<string, Definition | null>>,
  configuration: AppliedConfiguration,
): { readonly edits: readonly Edit[]; readonly configuration?: AppliedConfiguration } {
  const edits: Edit[] = []
  for (const [name, definition] of Object.entries(services)) {
    if (definition !== null) edits.push(...define(state, name, definition, 'configure'))
    else {
      const before = own(state.services, name)
      if (before === undefined) continue
      edits.push({ before, after: null, service: name, action: 'configure', from: before.source, to: null })
    }
  }
  return edits.length === 0 && isSameFile(configuration, state.configuration) ? { edits } : { edits, configuration }
}

function isSameFile(file: AppliedConfiguration, applied: AppliedConfiguration | null): boolean {
  if (applied === null || file.hash !== applied.hash || file.version !== applied.version) return false
  return file.heldBack === applied.heldBack
}

/** The top-level keys in which two definitions differ. */
export function differences(before: JsonObject, after: JsonObject): { from: JsonObject; to: JsonObject } {
  const from: [string, JsonValue][] = []
  const to: [string, JsonValue][] = []
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [was, is] = [own(before, key), own(after, key)]
    if (isDeepStrictEqual(was, is)) continue
    if (was !== undefined) from.push([key, was])
    if (is !== undefined) to.push([key, is])
  }
  return { from: Object.fromEntries(from), to: Object.fromEntries(to) }
}
