import type { Edit } from './draft.ts'
import { servingKeys } from './servers.ts'
import type { Service, State } from './state.ts'

/** A service from which a change takes routes, and the first of those that nobody would answer any more. */
export interface Unserved {
  readonly service: string
  readonly isRemoved: boolean
  /** Such as `shop.example.com/api`. */
  readonly route: string
  /** How many routes of the service it concerns. */
  readonly count: number
}

/** Whether a service has traffic: a pool with a share has a server that takes requests, as far as people are concerned. */
export function hasTraffic(service: Service): boolean {
  return servingKeys(service).length > 0
}

/**
 * What edits would leave without a service that has one now, for the services that `matters` names. A service that loses
 * hosts or paths leaves those unserved that no service with traffic would answer. One that is removed leaves all unserved
 * that no other service takes over in the same change: a service that answers to everything else is not the same app.
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

/** Services that a message names, at most. */
const MOST_NAMED = 5

/** What a refusal says of them. */
export function describeUnserved(all: readonly Unserved[]): string {
  const more = all.length - MOST_NAMED
  const named = all.slice(0, MOST_NAMED).map(describe).join(' ')
  return more > 0 ? `${named} ${more} more services likewise.` : named
}

function describe({ service, isRemoved, route, count }: Unserved): string {
  const more = count === 1 ? '' : ` and ${count - 1} more`
  return isRemoved
    ? `Service ${service} has traffic and would be removed; no other service takes over ${route}${more}.`
    : `Service ${service} would no longer answer to ${route}${more}, and no other service does.`
}

/** Requests to a host (null = any; `*.` in front = all below), on a path and all below it. */
interface Route {
  readonly host: string | null
  readonly path: string
}

function routesOf({ spec: { hosts, paths } }: Service): Route[] {
  const all: readonly (string | null)[] = hosts.length === 0 ? [null] : hosts
  return all.flatMap((host) => paths.map((path) => ({ host, path })))
}

/** The routes of `before` that `after` has not. */
function routesLost(before: Service, after: Service): Route[] {
  const [hosts, paths] = [new Set(after.spec.hosts), new Set(after.spec.paths)]
  const keepsHost = (host: string | null): boolean => (host === null ? hosts.size === 0 : hosts.has(host))
  return routesOf(before).filter(({ host, path }) => !keepsHost(host) || !paths.has(path))
}

/** Routes that are answered, asked as the data plane does: the host itself, then wildcards, then any host. */
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

/** The hosts under which all that is asked of `host` is answered. */
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
