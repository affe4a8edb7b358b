import { CONNECTION_FIELDS } from '../model/changeable-fields.ts'
import { HIDDEN } from '../model/secret-names.ts'
import { parseHost } from './addresses.ts'
import { checkFieldNames } from './field-names.ts'
import { childPath, type Problems, quote } from './problems.ts'
import { isKeyed } from './read.ts'

/** Max hosts × paths of one service. Each is an entry in the table of every worker. */
export const MAX_ROUTES_OF_SERVICE = 10_000
/** Max hosts × paths of all services together. */
export const MAX_ROUTES = 100_000

/** The parts of a service that have limits, as read from a definition or resolved. */
interface Bounded {
  readonly hosts: readonly string[]
  readonly paths: readonly string[]
  readonly health: {
    readonly path: string
    readonly host: string
    readonly headers: Readonly<Record<string, string>>
  } | null
}

/** The number of entries that a service has in the routing table. */
export function routeCount({ hosts, paths }: Pick<Bounded, 'hosts' | 'paths'>): number {
  return Math.max(1, hosts.length) * paths.length
}

/**
 * Checks limits that apply to new definitions only: a stored definition that exceeds them stays in force. `service` may
 * have gaps where `problems` already has an entry.
 */
export function checkBounds(service: Bounded, path: string, problems: Problems): void {
  if (Array.isArray(service.hosts) && Array.isArray(service.paths)) {
    const count = routeCount(service)
    if (count > MAX_ROUTES_OF_SERVICE) {
      const { hosts, paths } = service
      const message = `${hosts.length} hosts × ${paths.length} paths are ${count} routes, more than the ${MAX_ROUTES_OF_SERVICE} that a service may have; use wildcards, shorter paths or several services`
      problems.add(childPath(path, 'hosts'), message)
    }
  }
  const { health } = service
  if (!isKeyed(health)) return
  const at = childPath(path, 'health')
  if (isKeyed(health.headers))
    checkFieldNames(Object.keys(health.headers), childPath(at, 'headers'), problems, probeFieldProblem)
  if (typeof health.path === 'string' && health.path.includes(`=${HIDDEN}`))
    problems.add(childPath(at, 'path'), `has ${HIDDEN} in the place of a secret; write the secret itself`)
  if (typeof health.host === 'string' && health.host !== '' && !isHostAndPort(health.host)) {
    problems.add(
      childPath(at, 'host'),
      `expected a host such as app.internal or app.internal:8080, got ${quote(health.host)}`,
    )
  }
}

/** Problem with the number of routes of all services together; null = none. */
export function tooManyRoutes(services: Iterable<Pick<Bounded, 'hosts' | 'paths'>>): string | null {
  let count = 0
  for (const service of services) count += routeCount(service)
  if (count <= MAX_ROUTES) return null
  return `hosts × paths of all services are ${count} routes, more than the maximum of ${MAX_ROUTES}; use wildcards or shorter paths`
}

/** Why a probe may not have a field, by its lower-case name; null = it may. */
function probeFieldProblem(name: string): string | null {
  if (name === 'host') return 'is set by health.host'
  const isOfConnection = CONNECTION_FIELDS.has(name) || name === 'expect' || name.startsWith('proxy-auth')
  return isOfConnection ? 'cannot be set: Cutover frames the probe and keeps its connection itself' : null
}

function isHostAndPort(text: string): boolean {
  const [, host = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text) ?? []
  return parseHost(host) !== undefined && (port === undefined || Number(port) <= 65_535)
}
