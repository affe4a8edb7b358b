import { parseHost } from './addresses.ts'
import { childPath, type Problems, quote } from './problems.ts'
import { isKeyed } from './read.ts'
import { HIDDEN } from './shown.ts'

/** Max hosts × paths of one service. Each is an entry in the table of every worker. */
export const MAX_ROUTES_OF_SERVICE = 10_000
/** Max hosts × paths of all services together. */
export const MAX_ROUTES = 100_000

/**
 * Fields that Cutover sets itself, or that concern the connection of the probe and not the request. RFC 9110 §7.6.1,
 * §6.4, §10.1.1.
 */
const NOT_FOR_PROBES: ReadonlySet<string> = new Set([
  ...[
    'connection',
    'keep-alive',
    'proxy-connection',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
    'http2-settings',
  ],
  ...['content-length', 'expect', 'proxy-authenticate', 'proxy-authorization'],
])

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
  if (isKeyed(health.headers)) checkProbeFields(Object.keys(health.headers), childPath(at, 'headers'), problems)
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

function checkProbeFields(names: readonly string[], path: string, problems: Problems): void {
  const seen = new Map<string, string>()
  for (const name of names) {
    const at = childPath(path, name)
    // Some servers read `Content_Length` as `Content-Length`.
    const lower = name.toLowerCase().replaceAll('_', '-')
    const other = seen.get(lower)
    if (lower === 'host') problems.add(at, 'is set by health.host')
    else if (NOT_FOR_PROBES.has(lower))
      problems.add(at, 'cannot be set: Cutover frames the probe and keeps its connection itself')
    else if (other !== undefined) problems.add(at, `is the same field as ${quote(other)}`)
    seen.set(lower, name)
  }
}

function isHostAndPort(text: string): boolean {
  const [, host = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text) ?? []
  return parseHost(host) !== undefined && (port === undefined || Number(port) <= 65_535)
}
