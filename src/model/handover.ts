import { isDeepStrictEqual } from 'node:util'
import { configuredName } from './discovery.ts'
import { own } from './names.ts'
import { ownersOf, type Route, routesLost, routesOf } from './routes.ts'
import type { Server } from './servers.ts'
import { isOpen, serversOf } from './servers.ts'
import type { ServiceSpec, Split } from './spec.ts'
import { adaptSplit, sameSplit, shareOf } from './split.ts'
import type { Service } from './state.ts'
import { currentSplit } from './state.ts'

export type Services = Readonly<Record<string, Service>>

/** A service that is to be defined in another way than it is in force; null = it does not exist. */
export interface DefinitionChange {
  readonly name: string
  readonly before: Service | null
  readonly after: Service | null
}

/** Requests that a change moves to another service, or to the new definition of the same one. */
export interface Takeover {
  readonly from: string
  readonly to: string
}

/**
 * Services whose definitions change together: one gives up requests that the other takes over. A service that takes
 * requests which another one would still answer to changes by itself.
 */
export interface ChangeGroup {
  readonly names: readonly string[]
  readonly takeovers: readonly Takeover[]
}

/** What is known of the servers of a definition. */
export interface HealthView {
  isUp(server: Server): boolean
  /** Whether a server is in its first round of checks. */
  isUndecided(server: Server): boolean
}

/** Lists the services whose definitions differ. Other changes of a service, such as its split, are not listed. */
export function definitionChanges(inForce: Services, wanted: Services): DefinitionChange[] {
  const changes: DefinitionChange[] = []
  for (const [name, after] of Object.entries(wanted)) {
    const before = own(inForce, name) ?? null
    if (before !== after && !isDeepStrictEqual(before?.spec, after.spec)) changes.push({ name, before, after })
  }
  for (const [name, before] of Object.entries(inForce))
    if (own(wanted, name) === undefined) changes.push({ name, before, after: null })
  return changes
}

/** Finds the requests that changes move, and groups the changes that depend on each other. */
export function groupChanges(
  changes: readonly DefinitionChange[],
  inForce: Services,
  wanted: Services,
): readonly ChangeGroup[] {
  const groupOf = new Map(changes.map(({ name }) => [name, { names: [name], takeovers: [] as Takeover[] }]))
  for (const { from, to, isGivenUp } of takeovers(changes, inForce, wanted)) {
    const [giving, taking] = [isGivenUp ? groupOf.get(from) : undefined, groupOf.get(to)]
    const group = taking ?? giving
    group?.takeovers.push({ from, to })
    if (giving === undefined || taking === undefined || giving === taking) continue
    taking.names.push(...giving.names)
    taking.takeovers.push(...giving.takeovers)
    for (const name of giving.names) groupOf.set(name, taking)
  }
  return [...new Set(groupOf.values())]
}

/** A takeover; `isGivenUp`: the service that has the requests would not answer to them any more. */
interface FoundTakeover extends Takeover {
  readonly isGivenUp: boolean
}

/** Finds which service takes the requests of which other one, or of its own previous definition. */
function takeovers(changes: readonly DefinitionChange[], inForce: Services, wanted: Services): Iterable<FoundTakeover> {
  const found = new Map<string, FoundTakeover>()
  const add = (from: string, to: string, isGivenUp: boolean): void => {
    const key = `${from} ${to}`
    found.set(key, { from, to, isGivenUp: isGivenUp || found.get(key)?.isGivenUp === true })
  }
  for (const { name, before, after } of changes) if (before !== null && after !== null) add(name, name, true)
  const moved = changes.filter(({ before, after }) => !haveSameRoutes(before, after))
  if (moved.length === 0) return found.values()
  const [owners, nextOwners] = [ownersOf(Object.values(inForce)), ownersOf(Object.values(wanted))]
  const left = new Map(changes.map(({ name, after }) => [name, ownersOf(after === null ? [] : [after])]))
  const compare = (route: Route, isLost: boolean): void => {
    const [from, to] = [owners.ownerOf(route), nextOwners.ownerOf(route)]
    if (from === null || to === null || from === to) return
    add(from, to, isLost || left.get(from)?.ownerOf(route) === null)
  }
  for (const { before, after } of moved) {
    const gained = after === null ? [] : before === null ? routesOf(after) : routesLost(after, before)
    const lost = before === null ? [] : after === null ? routesOf(before) : routesLost(before, after)
    // A route may also concern requests that match a longer path of a less specific host.
    for (const route of gained)
      for (const path of [route.path, ...owners.pathsBelow(route)]) compare({ host: route.host, path }, false)
    for (const route of lost)
      for (const path of [route.path, ...nextOwners.pathsBelow(route)]) compare({ host: route.host, path }, true)
  }
  return found.values()
}

function haveSameRoutes(before: Service | null, after: Service | null): boolean {
  const routes = (service: Service | null): unknown => service && [service.spec.hosts, service.spec.paths]
  return isDeepStrictEqual(routes(before), routes(after))
}

/** Whether a service has a server that takes requests, or may. */
export function canServe(service: Service, health: HealthView): boolean {
  const split = currentSplit(service)
  return serversOf(service).some((server) => shareOf(split, server.pool) > 0 && mayServe(server, health))
}

/** Whether a server takes requests, or may, as its first checks have no result yet. */
function mayServe(server: Server, health: HealthView): boolean {
  return isOpen(server) && (health.isUp(server) || health.isUndecided(server))
}

/**
 * Lists the servers that a service waits for before it takes over requests: those that are not up, in each pool with a
 * share that has fewer up than `minReady`, or than the previous definition had. While the first checks have no result,
 * a pool waits for as many as were up before, so that the first of its servers does not get all requests.
 */
export function missingServers(
  after: Service,
  health: HealthView,
  before: Service,
  healthBefore: HealthView,
): readonly Server[] {
  const split = currentSplit(after)
  return Object.keys(after.spec.pools).flatMap((pool) => {
    if (shareOf(split, pool) === 0) return []
    const servers = serversOf(after, pool).filter((server) => isOpen(server) || isAwaited(server))
    const missing = servers.filter((server) => !health.isUp(server))
    const up = servers.length - missing.length
    const upBefore = upBeforeIn(before, before.name === after.name ? pool : null, healthBefore)
    const isShort = up < Math.min(Math.max(1, after.spec.minReady), upBefore)
    const mayGetMore = up < upBefore && missing.some((server) => health.isUndecided(server))
    return isShort || mayGetMore ? missing : []
  })
}

/** Whether a server will be there once its name is looked up. */
function isAwaited({ state, weight, closed }: Server): boolean {
  return closed === 'unresolved' && state === 'ready' && weight > 0
}

/** Servers that may serve in a pool; if it has no share, in the pool with a share that has the most of them. */
function upBeforeIn(service: Service, pool: string | null, health: HealthView): number {
  const split = currentSplit(service)
  const count = (each: string): number => serversOf(service, each).filter((server) => mayServe(server, health)).length
  if (pool !== null && own(service.spec.pools, pool) !== undefined && shareOf(split, pool) > 0) return count(pool)
  return Math.max(
    0,
    ...Object.keys(service.spec.pools)
      .filter((each) => shareOf(split, each) > 0)
      .map(count),
  )
}

/**
 * Returns a service with the definition that it had. What people decide applies at once, as far as that definition has
 * the pools and servers. `splitThen`: the split of `after` when its definition changed; until people change it, the
 * previous split stays.
 */
export function withDefinitionOf(before: Service, after: Service, splitThen: Split): Service {
  const [split, current] = [currentSplit(before), currentSplit(after)]
  const kept = sameSplit(current, splitThen) ? split : adaptSplit(current, Object.keys(before.spec.pools), split)
  const servers = Object.entries(before.servers).filter(([path]) => !hasServer(after.spec, path))
  const cuts = Object.entries(before.poolCuts).filter(([pool]) => own(after.spec.pools, pool) === undefined)
  const { discovered: _ofAfter, ...rest } = after
  return {
    ...rest,
    source: before.source,
    spec: before.spec,
    ...(before.discovered === undefined ? {} : { discovered: before.discovered }),
    decisions: [{ revision: after.revision, split: kept }],
    servers: { ...Object.fromEntries(servers), ...after.servers },
    poolCuts: { ...Object.fromEntries(cuts), ...after.poolCuts },
  }
}

/** `path`: `pool/server`. */
function hasServer({ pools }: ServiceSpec, path: string): boolean {
  const [pool = '', server = ''] = path.split('/')
  return own(own(pools, pool)?.servers ?? {}, configuredName(server)) !== undefined
}
