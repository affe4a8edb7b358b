import type { ServiceSpec } from '../model/spec.ts'
import type { Problem } from './config.ts'
import { childPath } from './problems.ts'

/** A problem with the routes of `service`. */
export interface Overlap extends Problem {
  readonly service: string
}

/**
 * Finds services that answer to the same host and path, so that a request would match both. Returns a problem at
 * each of the two, once for every pair.
 */
export function findOverlaps(
  services: Readonly<Record<string, Pick<ServiceSpec, 'hosts' | 'paths'>>>,
  path = 'services',
): readonly Overlap[] {
  const owners = new Map<string, string>()
  const problems = new Map<string, Overlap>()
  const report = (name: string, other: string, route: string) => {
    const message = `answers to ${route}, as ${childPath(path, other)} does; give each its own hosts or paths`
    const pair = JSON.stringify([name, other])
    if (!problems.has(pair)) problems.set(pair, { service: name, path: childPath(path, name), message })
  }
  for (const [name, { hosts, paths }] of Object.entries(services)) {
    for (const host of hosts.length > 0 ? hosts : ['any host, path ']) {
      for (const prefix of paths) {
        const route = `${host}${prefix}`
        const owner = owners.get(route)
        if (owner === undefined) owners.set(route, name)
        else if (owner !== name) {
          report(owner, name, route)
          report(name, owner, route)
        }
      }
    }
  }
  return [...problems.values()]
}
