import type { Command, Facts } from './commands.ts'
import { configuredName } from './discovery.ts'
import type { Draft, Edit } from './draft.ts'
import { own, serverPath } from './names.ts'
import { findServers, runtimeOf, type Server, serversOf, unknownName } from './servers.ts'
import type { JsonObject, JsonValue, ServerRuntime, Service, State } from './state.ts'

/** Sets state, weight or connection limit of every server of a name, narrowed by service and pool. */
export function changeServers(state: State, command: Extract<Command, { kind: 'server' }>, facts: Facts): Draft {
  const refusal = unknownName(state, command)
  if (refusal !== null) return refusal
  const found = findServers(state, command)
  const edits: Edit[] = []
  for (const service of new Set(found.map((entry) => entry.service))) {
    const matching = found.filter((entry) => entry.service === service).map((entry) => entry.server)
    const paths = new Set(matching.flatMap((server) => pathsOf(service, server, command.server)))
    const from: Record<string, JsonValue> = {}
    const to: Record<string, JsonValue> = {}
    const servers: Record<string, ServerRuntime> = { ...service.servers }
    for (const path of paths) {
      const [pool = '', name = ''] = path.split('/')
      const before = settingsOf(service, pool, name)
      const after = nextRuntime(before, command, service, facts)
      if (isSame(before, after)) continue
      servers[path] = after
      from[path] = describe(before)
      to[path] = describe(after)
    }
    if (Object.keys(to).length > 0) {
      edits.push({
        before: service,
        after: { ...service, servers: withoutOldest(servers, service) },
        service: service.name,
        action: serverAction(command),
        from,
        to,
      })
    }
  }
  return { edits }
}

/** Max servers of a service that DNS does not have any more, and whose settings are kept in case they come back. */
const MAX_GONE = 100

/**
 * The entries that a command for `name` changes: that of a server, or that of a name that DNS is asked for, and of all
 * its servers that have one. So the last command counts, whichever it was for.
 */
function pathsOf(service: Service, { pool, name, foundBy }: Server, asked: string): string[] {
  if (foundBy === undefined || asked === name) return [serverPath(pool, name)]
  const path = serverPath(pool, foundBy)
  return [path, ...Object.keys(service.servers).filter((each) => configuredName(each) === path && each !== path)]
}

/** What is set for a server itself; its state may be that of its name, but not its weight and limit. */
function settingsOf(service: Service, pool: string, name: string): ServerRuntime {
  const { state, cutAt } = runtimeOf(service, pool, name)
  return own(service.servers, serverPath(pool, name)) ?? { state, weight: null, cutAt }
}

/** Drops the oldest entries of servers that DNS does not have any more. */
function withoutOldest(
  servers: Readonly<Record<string, ServerRuntime>>,
  service: Service,
): Readonly<Record<string, ServerRuntime>> {
  const there = new Set(serversOf(service).map(({ pool, name }) => serverPath(pool, name)))
  const gone = Object.keys(servers).filter((path) => configuredName(path) !== path && !there.has(path))
  if (gone.length <= MAX_GONE) return servers
  const dropped = new Set(gone.slice(0, gone.length - MAX_GONE))
  return Object.fromEntries(Object.entries(servers).filter(([path]) => !dropped.has(path)))
}

function nextRuntime(
  before: ServerRuntime,
  command: Extract<Command, { kind: 'server' }>,
  service: Service,
  facts: Facts,
): ServerRuntime {
  const state = command.state ?? before.state
  const weight = command.weight === undefined ? before.weight : command.weight
  const limit = command.maxConnections === undefined ? (before.maxConnections ?? null) : command.maxConnections
  const { timeoutMs } = service.spec.drain
  const deadline = timeoutMs === 0 ? null : facts.nowMs + timeoutMs
  // Going from drain to maint keeps the deadline of the requests in flight.
  const cutAt = state === 'ready' ? null : before.state === 'ready' ? deadline : before.cutAt
  return { state, weight, ...(limit === null ? {} : { maxConnections: limit }), cutAt }
}

function isSame(a: ServerRuntime, b: ServerRuntime): boolean {
  return a.state === b.state && a.weight === b.weight && a.maxConnections === b.maxConnections
}

function serverAction(command: Extract<Command, { kind: 'server' }>): string {
  if (command.state === undefined) return command.weight === undefined ? 'maxConnections' : 'weight'
  return command.state === 'ready' ? 'enable' : command.state
}

/** The runtime state as the history shows it: without what is as configured. */
function describe(runtime: ServerRuntime): JsonObject {
  const { state, weight, maxConnections } = runtime
  return {
    state,
    ...(weight === null ? {} : { weight }),
    ...(maxConnections === undefined ? {} : { maxConnections }),
  }
}
