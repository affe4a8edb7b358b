import { hostName } from './host-name.ts'
import type { ServiceRoute } from './service-route.ts'

/** The services reachable under one host, by path prefix. */
class PathMap {
  private readonly routes = new Map<string, ServiceRoute>()
  /** Max number of slashes in a prefix; request paths are cut to this depth before the search. */
  private depth = 0

  add(path: string, route: ServiceRoute): void {
    this.routes.set(path, route)
    if (path !== '/') this.depth = Math.max(this.depth, path.split('/').length - 1)
  }

  /** Finds the route with the longest prefix of `target` that ends at a `/`, a `?` or the end; null = none. */
  find(target: string): Match | null {
    if (this.depth > 0) {
      const query = target.indexOf('?')
      let end = query === -1 ? target.length : query
      if (end > 1 && target.charCodeAt(end - 1) === 47) end--
      end = cutToDepth(target, end, this.depth)
      while (end > 1) {
        const route = this.routes.get(target.slice(0, end))
        if (route !== undefined) return { route, prefixLength: end }
        end = target.lastIndexOf('/', end - 1)
      }
    }
    const root = this.routes.get('/')
    return root === undefined ? null : { route: root, prefixLength: 0 }
  }
}

/** Index at which the first `depth` segments of a path end. */
function cutToDepth(target: string, end: number, depth: number): number {
  let at = 0
  for (let i = 0; i < depth; i++) {
    at = target.indexOf('/', at + 1)
    if (at === -1 || at >= end) return end
  }
  return at
}

/** A matching service and the length of the matching path prefix. */
export interface Match {
  readonly route: ServiceRoute
  /** 0 for `/`. */
  readonly prefixLength: number
}

const MAX_CACHED_HOSTS = 10_000

/**
 * Finds the service of a request: an exact host wins over the longest wildcard, which wins over any host; within these,
 * the longest path wins. The cost does not depend on the number of services.
 */
export class Router {
  private readonly exact = new Map<string, PathMap>()
  /** Keyed by the part after `*.`. */
  private readonly wildcard = new Map<string, PathMap>()
  private readonly any = new PathMap()
  /** Host as sent → the maps to search, in order. Bounded, because clients could send any number of different hosts. */
  private readonly cache = new Map<string, readonly PathMap[]>()

  constructor(routes: Iterable<ServiceRoute>) {
    for (const route of routes) {
      const { hosts, paths } = route.table
      for (const map of this.mapsFor(hosts)) {
        for (const path of paths) map.add(path, route)
      }
    }
  }

  /** Finds the service for a Host header and a request target; null = none. */
  match(host: string, target: string): Match | null {
    const maps = this.cache.get(host) ?? this.resolve(host)
    for (let i = 0; i < maps.length; i++) {
      const match = maps[i]?.find(target)
      if (match) return match
    }
    return null
  }

  private resolve(host: string): readonly PathMap[] {
    const name = hostName(host)
    const maps: PathMap[] = []
    const exact = this.exact.get(name)
    if (exact !== undefined) maps.push(exact)
    for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
      const wildcard = this.wildcard.get(name.slice(dot + 1))
      if (wildcard !== undefined) maps.push(wildcard)
    }
    maps.push(this.any)
    if (this.cache.size >= MAX_CACHED_HOSTS) this.cache.clear()
    this.cache.set(host, maps)
    return maps
  }

  private mapsFor(hosts: readonly string[]): PathMap[] {
    if (hosts.length === 0) return [this.any]
    return hosts.map((host) => {
      const [maps, name] = host.startsWith('*.') ? [this.wildcard, host.slice(2)] : [this.exact, host]
      const map = maps.get(name) ?? new PathMap()
      maps.set(name, map)
      return map
    })
  }
}
