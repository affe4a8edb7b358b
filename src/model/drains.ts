import type { Command } from './commands.ts'
import { own } from './names.ts'
import { findServers, isOpen, serversOf } from './servers.ts'
import { shareOf } from './split.ts'
import type { Service, State } from './state.ts'
import { currentSplit } from './state.ts'

/** Something that shall come to rest: a pool or a server by name, and the targets that must be idle for it. */
export interface Drain {
  readonly name: string
  readonly keys: readonly string[]
}

/** What a command sends to rest, whether it does so now or had done so before. */
export function drainsOf(command: Command, before: State, after: State): Drain[] {
  switch (command.kind) {
    case 'switch':
    case 'shift':
    case 'split':
    case 'rollback':
      return poolDrains(own(before.services, command.service), own(after.services, command.service))
    case 'server':
      return serverDrains(command, after)
    case 'define':
    case 'remove':
      return removedDrains(own(before.services, command.service), own(after.services, command.service))
    case 'configure':
      return Object.values(before.services).flatMap((service) =>
        removedDrains(service, own(after.services, service.name)),
      )
  }
}

/** Whether something that was sent to rest has been called back: one of its servers takes new requests. */
export function isReopened(drain: Drain, state: State): boolean {
  return Object.values(state.services).some((service) =>
    serversOf(service).some(
      (server) => drain.keys.includes(server.key) && isOpen(server) && shareOf(currentSplit(service), server.pool) > 0,
    ),
  )
}

/** The pools that have lost all their share; where nothing changed, those that have none. */
function poolDrains(before: Service | undefined, after: Service | undefined): Drain[] {
  if (before === undefined || after === undefined) return []
  const unchanged = before === after
  return Object.keys(after.spec.pools)
    .filter((pool) => shareOf(currentSplit(after), pool) === 0)
    .filter((pool) => unchanged || shareOf(currentSplit(before), pool) > 0)
    .map((pool) => ({ name: pool, keys: serversOf(after, pool).map((server) => server.key) }))
}

function serverDrains(command: Extract<Command, { kind: 'server' }>, after: State): Drain[] {
  if (command.state === undefined || command.state === 'ready') return []
  return [{ name: command.server, keys: findServers(after, command).map(({ server }) => server.key) }]
}

/** The servers that are no longer there. */
function removedDrains(before: Service | undefined, after: Service | undefined): Drain[] {
  if (before === undefined) return []
  const kept = new Set(after === undefined ? [] : serversOf(after).map((server) => server.key))
  return serversOf(before)
    .filter((server) => !kept.has(server.key))
    .map((server) => ({ name: server.name, keys: [server.key] }))
}
