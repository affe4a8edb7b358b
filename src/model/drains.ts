import type { Command } from './commands.ts'
import { configuredName } from './discovery.ts'
import { matchesKey, own, serverNameOf } from './names.ts'
import type { Rollout } from './rollout/rollout.ts'
import { drainKeys, findServers, getsRequests, serversOf, takesNew } from './servers.ts'
import { sameSplit } from './split.ts'
import type { Service, State } from './state.ts'
import { currentSplit } from './state.ts'

/** A pool or server being drained, by name, and the targets that must become idle for it. */
export interface Drain {
  readonly name: string
  readonly keys: readonly string[]
}

/**
 * Lists the pools and servers that a command drains, whether by this change or by an earlier one. `leaving`: keys of
 * servers that were removed earlier and still have requests in flight.
 */
export function drainsOf(command: Command, before: State, after: State, leaving: readonly string[] = []): Drain[] {
  switch (command.kind) {
    case 'switch':
    case 'shift':
    case 'split':
    case 'rollback':
    case 'finishDeploy':
      return poolDrains(own(before.services, command.service), own(after.services, command.service), leaving)
    case 'beginRollout':
    case 'moveRollout': {
      const [was, is] = [own(before.services, command.service), own(after.services, command.service)]
      const isSame = was === undefined || is === undefined || sameSplit(currentSplit(was), currentSplit(is))
      if (!isSame) return poolDrains(was, is, leaving)
      // A repeated request waits for what the first one drains.
      const left = before === after ? poolWithoutShare(command.rollout) : null
      return left === null ? [] : poolDrains(was, is, leaving).filter(({ name }) => name === left)
    }
    case 'mode':
      return modeDrains(own(after.services, command.service))
    case 'server':
      return serverDrains(command, after)
    case 'define':
    case 'remove': {
      const [was, is] = [own(before.services, command.service), own(after.services, command.service)]
      if (was !== is) return removedDrains(was, is)
      const part = command.kind === 'define' ? (command.leaving ?? '') : ''
      return leavingDrains(leaving.filter((key) => key.startsWith(`${command.service}/${part}`)))
    }
    case 'beginDeploy':
    case 'abandonDeploy':
    case 'freeze':
      return []
    case 'configure':
      if (before === after) return leavingDrains(leaving)
      return Object.values(before.services).flatMap((service) =>
        removedDrains(service, own(after.services, service.name)),
      )
  }
}

/** Whether a drain was undone by a later change: one of its servers takes new requests again. */
export function isReopened(drain: Drain, state: State): boolean {
  return Object.values(state.services).some((service) =>
    serversOf(service).some((server) => matchesKey(server.key, drain.keys) && takesNew(service, server)),
  )
}

/** The pools that get no requests any more; where the split did not change, all pools that get none. */
function poolDrains(before: Service | undefined, after: Service | undefined, leaving: readonly string[]): Drain[] {
  if (before === undefined || after === undefined) return []
  const unchanged = sameSplit(currentSplit(before), currentSplit(after))
  return Object.keys(after.spec.pools)
    .filter((pool) => !getsRequests(after, pool))
    .filter((pool) => unchanged || getsRequests(before, pool))
    .map((pool) => {
      const gone = leaving.filter((key) => key.startsWith(`${after.name}/${pool}/`))
      return { name: pool, keys: [...drainKeys(serversOf(after, pool)), ...gone] }
    })
}

/** The pool from which a rollout has taken all requests; null = none. */
function poolWithoutShare({ state, weight, from, to }: Rollout): string | null {
  if (weight === 100) return from
  return state === 'Aborting' || state === 'Aborted' ? to : null
}

/** The pools that would get requests if their service were not paused or stopped. */
function modeDrains(service: Service | undefined): Drain[] {
  if (service?.mode === undefined) return []
  const pools = Object.keys(service.spec.pools).filter((pool) => getsRequests(service, pool))
  return pools.map((pool) => ({ name: pool, keys: drainKeys(serversOf(service, pool)) }))
}

/** Drains of servers that were removed earlier, so that a repeated request can wait for them. */
function leavingDrains(keys: readonly string[]): Drain[] {
  return keys.map((key) => ({ name: serverNameOf(key), keys: [key] }))
}

function serverDrains(command: Extract<Command, { kind: 'server' }>, after: State): Drain[] {
  if (command.state === undefined || command.state === 'ready') return []
  const servers = findServers(after, command).map(({ server }) => server)
  // A command for one of the servers that DNS has found is for that one alone.
  const isOne = configuredName(command.server) !== command.server
  return [{ name: command.server, keys: isOne ? servers.map(({ key }) => key) : drainKeys(servers) }]
}

/** The servers that the change has removed. */
function removedDrains(before: Service | undefined, after: Service | undefined): Drain[] {
  if (before === undefined) return []
  const kept = new Set(after === undefined ? [] : drainKeys(serversOf(after)))
  const gone = serversOf(before).filter((server) => !kept.has(server.key))
  const names = Map.groupBy(gone, ({ key, pool, foundBy }) => (foundBy === undefined ? key : `${pool}/${foundBy}`))
  return [...names.values()].flatMap((servers) => {
    const [first] = servers
    const keys = drainKeys(servers).filter((key) => !kept.has(key))
    return first === undefined ? [] : [{ name: first.foundBy ?? first.name, keys }]
  })
}
