import type { Command, Facts } from './commands.ts'
import type { Draft, Edit } from './draft.ts'
import { serverPath } from './names.ts'
import { findServers, runtimeOf, unknownName } from './servers.ts'
import type { JsonObject, JsonValue, ServerRuntime, Service, State } from './state.ts'

/** State, weight and limit of every server of a name, as far as service and pool narrow it. */
export function changeServers(state: State, command: Extract<Command, { kind: 'server' }>, facts: Facts): Draft {
  const refusal = unknownName(state, command)
  if (refusal !== null) return refusal
  const meant = findServers(state, command)
  const edits: Edit[] = []
  for (const service of new Set(meant.map((entry) => entry.service))) {
    const mine = meant.filter((entry) => entry.service === service).map((entry) => entry.server)
    const from: Record<string, JsonValue> = {}
    const to: Record<string, JsonValue> = {}
    const servers: Record<string, ServerRuntime> = { ...service.servers }
    for (const server of mine) {
      const path = serverPath(server.pool, server.name)
      const before = runtimeOf(service, server.pool, server.name)
      const after = nextRuntime(before, command, service, facts)
      if (isSame(before, after)) continue
      servers[path] = after
      from[path] = shown(before)
      to[path] = shown(after)
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
  // From drain to maint nothing new is asked of the requests under way: their deadline stays.
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

function shown(runtime: ServerRuntime): JsonObject {
  const { state, weight, maxConnections } = runtime
  return {
    state,
    ...(weight === null ? {} : { weight }),
    ...(maxConnections === undefined ? {} : { maxConnections }),
  }
}
