import type { Edit } from './draft.ts'
import { answersClients, isOpen, serversOf } from './servers.ts'
import type { Service, State } from './state.ts'

/** A service that a change takes routes from, and the first of those that no service would answer any more. */
export interface Unserved {
  readonly service: string
  readonly isRemoved: boolean
  /** The first such route, such as `shop.example.com/api`. */
  readonly route: string
  /** Number of such routes. */
  readonly count: number
}

/** Whether a service has traffic: a pool that answers clients has a server whose state and weight let it take requests. */
export function hasTraffic(service: Service): boolean {
  return serversOf(service).some((server) => isOpen(server) && answersClients(service, server.pool))
}

/**
 * Lists the services, of those that `matters` selects, whose requests the edits would leave without a service. If a
 * service loses hosts or paths, those are unserved that no service with traffic answers. If a service is removed, all
 * its routes are unserved that no other service takes over in the same change: a catch-all service is not the same app.
 */
export function unservedBy(
  state: State,
  edits: readonly Edit[],
  matters: (service: Service) => boolean = hasTraffic,
): readonly Unserved[] {
  const losing = edits.flatMap(({ before, after }) => {
    if (before === null || !matters(before)) return []
    const lost = after === null ? routesOf(before) : routesLost(before, after)
    return lost.length === 0 ? [] : [{ before, isRemoved: after === null, lost }]
  })
  if (losing.length === 0) return []
  const edited = new Map(edits.map(({ service, after }) => [service, after]))
  const unedited = Object.values(state.services).filter(({ name }) => !edited.has(name))
  const afterwards = [...unedited, ...edited.values()].filter((service) => service !== null)
  const answered = new Routes(afterwards.filter(hasTraffic).flatMap(routesOf))
  const added = edits.flatMap(({ before, after }) =>
    after === null || !hasTraffic(after) ? [] : before === null ? routesOf(after) : routesLost(after, before),
  )
  const takenOver = new Routes(added)
  return losing.flatMap(({ before, isRemoved, lost }) => {
    const left = lost.filter((route) => !(isRemoved ? takenOver : answered).cover(route))
    const [first] = left
    if (first === undefined) return []
    return [
      { service: before.name, isRemoved, route: `${first.host ?? 'any host, path '}${first.path}`, count: left.length },
    ]
  })
}

/** Max services that a message names. */
const MAX_NAMED = 5

/** Describes unserved routes for a refusal. */
export function describeUnserved(all: readonly Unserved[]): string {
  const more = all.length - MAX_NAMED
  const named = all.slice(0, MAX_NAMED).map(describe).join(' ')
  return more > 0 ? `${named} ${more} more services likewise.` : named
}

function describe({ service, isRemoved, route, count }: Unserved): string {
  const more = count === 1 ? '' : ` and ${count - 1} more`
  return isRemoved
    ? `Service ${service} has traffic and would be removed; no other service takes over ${route}${more}.`
    : `Service ${service} would no longer answer to ${route}${more}, and no other service does.`
}

/** Requests to a host (null = any; `*.` in front = all subdomains), for a path and all paths below it. */
interface Route {
  readonly host: string | null
  readonly path: string
}

function routesOf({ spec: { hosts, paths } }: Service): Route[] {
  const all: readonly (string | null)[] = hosts.length === 0 ? [null] : hosts
  return all.flatMap((host) => paths.map((path) => ({ host, path })))
}

/** The routes of `before` that `after` does not have. */
function routesLost(before: Service, after: Service): Route[] {
  const [hosts, paths] = [new Set(after.spec.hosts), new Set(after.spec.paths)]
  const keepsHost = (host: string | null): boolean => (host === null ? hosts.size === 0 : hosts.has(host))
  return routesOf(before).filter(({ host, path }) => !keepsHost(host) || !paths.has(path))
}

/** A set of routes, matched as the data plane does: the host itself, then wildcards, then any host. */
class Routes {
  private readonly paths = new Map<string | null, Set<string>>()

  constructor(routes: readonly Route[]) {
    for (const { host, path } of routes) {
      const known = this.paths.get(host)
      if (known === undefined) this.paths.set(host, new Set([path]))
      else known.add(path)
    }
  }

  cover({ host, path }: Route): boolean {
    return wider(host).some((each) => {
      const paths = this.paths.get(each)
      return paths !== undefined && prefixesOf(path).some((prefix) => paths.has(prefix))
    })
  }
}

/** The hosts of routes that cover every request to `host`. */
function wider(host: string | null): readonly (string | null)[] {
  if (host === null) return [null]
  const labels = (host.startsWith('*.') ? host.slice(2) : host).split('.')
  const above = labels.map((_, i) => `*.${labels.slice(i + (host.startsWith('*.') ? 0 : 1)).join('.')}`)
  return [host, ...above, null]
}

/** `/`, `/a` and `/a/b` for `/a/b`. */
function prefixesOf(path: string): readonly string[] {
  const segments = path.split('/').slice(1)
  return ['/', ...segments.map((_, i) => `/${segments.slice(0, i + 1).join('/')}`)]
}
