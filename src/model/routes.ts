import type { Service } from './state.ts'

/** Requests to a host (null = any; `*.` in front = all subdomains), for a path and all paths below it. */
export interface Route {
  readonly host: string | null
  readonly path: string
}

/** The routes of a service. */
export function routesOf({ spec: { hosts, paths } }: Service): Route[] {
  const all: readonly (string | null)[] = hosts.length === 0 ? [null] : hosts
  return all.flatMap((host) => paths.map((path) => ({ host, path })))
}

/** The routes of `before` that `after` does not have. */
export function routesLost(before: Service, after: Service): Route[] {
  const [hosts, paths] = [new Set(after.spec.hosts), new Set(after.spec.paths)]
  const keepsHost = (host: string | null): boolean => (host === null ? hosts.size === 0 : hosts.has(host))
  return routesOf(before).filter(({ host, path }) => !keepsHost(host) || !paths.has(path))
}

/** Routes and the names of their services, matched as the data plane does: the host itself, wildcards, any host. */
export class RouteOwners {
  private readonly owners = new Map<string | null, Map<string, string>>()

  add({ host, path }: Route, owner: string): void {
    const known = this.owners.get(host)
    if (known === undefined) this.owners.set(host, new Map([[path, owner]]))
    else known.set(path, owner)
  }

  /** Returns the service that answers to every request of a route; null = none. */
  ownerOf({ host, path }: Route): string | null {
    const prefixes = prefixesOf(path)
    for (const each of wider(host)) {
      const owners = this.owners.get(each)
      const prefix = owners && prefixes.findLast((known) => owners.has(known))
      if (prefix !== undefined) return owners?.get(prefix) ?? null
    }
    return null
  }

  /** Lists the paths below that of a route, to which services answer at hosts that include the host of the route. */
  pathsBelow({ host, path }: Route): string[] {
    const below = path === '/' ? '/' : `${path}/`
    return wider(host).flatMap((each) => {
      if (each === host) return []
      return [...(this.owners.get(each)?.keys() ?? [])].filter((known) => known.startsWith(below) && known !== path)
    })
  }
}

/** Returns the owners of all routes of these services. */
export function ownersOf(services: Iterable<Service>): RouteOwners {
  const owners = new RouteOwners()
  for (const service of services) for (const route of routesOf(service)) owners.add(route, service.name)
  return owners
}

/** The hosts of routes that cover every request to `host`. */
function wider(host: string | null): readonly (string | null)[] {
  if (host === null) return [null]
  const labels = (host.startsWith('*.') ? host.slice(2) : host).split('.')
  const above = labels.map((_, i) => `*.${labels.slice(i + 1).join('.')}`).slice(0, -1)
  return [host, ...above, null]
}

/** `/`, `/a` and `/a/b` for `/a/b`. */
function prefixesOf(path: string): readonly string[] {
  if (path === '/') return ['/']
  const segments = path.split('/').slice(1)
  return ['/', ...segments.map((_, i) => `/${segments.slice(0, i + 1).join('/')}`)]
}
