import type { Command, Facts } from './commands.ts'
import type { Draft, Edit } from './draft.ts'
import { serverPath } from './names.ts'
import { findServers, runtimeOf, unknownName } from './servers.ts'
import type { JsonObject, JsonValue, ServerRuntime, Service, State } from './state.ts'

/** Sets state, weight or connection limit of every server of a name, narrowed by service and pool. */
export function changeServers(state: State, command: Extract<Command, { kind: 'server' }>, facts: Facts): Draft {
  const refusal = unknownName(state, command)
  if (refusal !== null) return refusal
  const found = findServers(state, command)
  const edits: Edit[] = []
  for (const service of new Set(found.map((entry) => entry.service))) {
    const matching = found.filter((entry) => entry.service === service).map((entry) => entry.server)
    const from: Record<string, JsonValue> = {}
    const to: Record<string, JsonValue> = {}
    const servers: Record<string, ServerRuntime> = { ...service.servers }
    for (const server of matching) {
      const path = serverPath(server.pool, server.name)
      const before = runtimeOf(service, server.pool, server.name)
      const after = nextRuntime(before, command, service, facts)
      if (isSame(before, after)) continue
      servers[path] = after
      from[path] = describe(before)
      to[path] = describe(after)
    }
    if (Object.keys(to).length > 0) {
      edits.push({
        before: service,
        after: { ...service, servers },
        service: service.name,
        action: serverAction(command),
        from,
        to,
      })
    }
  }
  return { edits }
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
