import { onDuty } from './backups.ts'
import type { Facts } from './commands.ts'
import { own } from './names.ts'
import type { Server } from './servers.ts'
import { isOpen, serversOf } from './servers.ts'
import { shareOf } from './split.ts'
import type { Service } from './state.ts'
import { currentSplit } from './state.ts'

/** Max number of servers that a refusal names. */
const MAX_REASONS = 5

/** Counts the servers of a pool that take requests now: backups only if no other one can. */
export function readyCount(service: Service, pool: string, facts: Facts): number {
  return onDuty(serversOf(service, pool).filter((server) => isOpen(server) && isUp(service, server, facts))).length
}

function isUp({ spec: { health } }: Service, server: Server, facts: Facts): boolean {
  return health === null || facts.isUp(server.key, server, health)
}

/** Describes why going from `before` to `after` is unsafe; null = it is safe. `force` overrides it. */
export function safetyProblem(before: Service, after: Service, facts: Facts): string | null {
  return removalProblem(before, after) ?? readyProblem(before, after, facts)
}

/** Removing a pool that has traffic is unsafe. */
function removalProblem(before: Service, after: Service): string | null {
  const split = currentSplit(before)
  const lost = Object.keys(before.spec.pools).find(
    (pool) => shareOf(split, pool) > 0 && own(after.spec.pools, pool) === undefined,
  )
  if (lost === undefined) return null
  return `Pool ${lost} has ${shareOf(split, lost) / 100} % of the traffic of ${before.name}; switch or shift it away first.`
}

/**
 * Describes the pool that would have traffic and fewer than `minReady` servers ready after the change; null = none.
 * Only pools that gain traffic or lose ready servers count: a change that leaves a short pool no worse is allowed.
 */
function readyProblem(before: Service, after: Service, facts: Facts): string | null {
  const { minReady } = after.spec
  for (const pool of Object.keys(after.spec.pools)) {
    const share = shareOf(currentSplit(after), pool)
    if (share === 0) continue
    const ready = readyCount(after, pool, facts)
    if (ready >= minReady) continue
    const gains = share > shareOf(currentSplit(before), pool)
    const had = own(before.spec.pools, pool) === undefined ? 0 : readyCount(before, pool, facts)
    if (!gains && ready >= had) continue
    const servers = serversOf(after, pool).filter(({ closed }) => closed !== 'vanished')
    const lead = `Pool ${pool} would serve ${share / 100} % of ${after.name} with ${ready} of its ${servers.length} servers up`
    return `${lead}, fewer than minReady (${minReady})${describeNotUp(after, servers, facts)}.`
  }
  return null
}

/**
 * Lists the servers that take no requests, with the reason of each: `: blue1 is down (status 503), blue2 is in maint`.
 */
function describeNotUp(service: Service, servers: readonly Server[], facts: Facts): string {
  const { health } = service.spec
  const usable = servers.filter((server) => isOpen(server) && isUp(service, server, facts))
  const takingRequests = onDuty(usable)
  const reasons = servers.flatMap((server) => {
    const { key, name, state, weight, closed } = server
    if (takingRequests.includes(server)) return []
    if (state !== 'ready') return [`${name} is in ${state}`]
    if (weight === 0) return [`${name} has weight 0`]
    if (closed === 'unresolved') return [`the name of ${name} is not found`]
    if (usable.includes(server) || health === null) return [`${name} is a backup`]
    return [`${name} is ${facts.describeHealth(key, server, health)}`]
  })
  if (reasons.length === 0) return ''
  const more = reasons.length - MAX_REASONS
  return `: ${reasons.slice(0, MAX_REASONS).join(', ')}${more > 0 ? `, and ${more} more` : ''}`
}
