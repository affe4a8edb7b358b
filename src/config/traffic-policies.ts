import type { FieldEdits } from '../model/header-policy.ts'
import { listed } from '../model/names.ts'
import type { Balance } from '../model/spec.ts'
import type { KeySource, MirrorRule, RouteRule, SplitBy, TrafficPolicies } from '../model/traffic-policies.ts'
import { ID_COOKIE } from '../model/traffic-policies.ts'
import { checkHeaders } from './check-headers.ts'
import { matchOf } from './match.ts'
import { childPath, type Problems, suggestion } from './problems.ts'
import { isKeyed } from './read.ts'
import type { ServiceSettings } from './schema/service.ts'

/** Checks what the schema cannot: names in policies. `settings` may have gaps where `problems` already has an entry. */
export function checkTraffic(
  settings: ServiceSettings,
  pools: readonly string[],
  path: string,
  problems: Problems,
): void {
  checkRoutes(settings.routes, pools, childPath(path, 'routes'), problems)
  const to = childPath(childPath(path, 'mirror'), 'to')
  if (settings.mirror && !problems.has(to)) checkPool(settings.mirror.to, pools, to, problems)
  checkSticky(settings, childPath(path, 'sticky'), problems)
  if (isKeyed(settings.headers)) checkHeaders(settings.headers, childPath(path, 'headers'), problems)
}

function checkRoutes(
  routes: ServiceSettings['routes'],
  pools: readonly string[],
  at: string,
  problems: Problems,
): void {
  if (problems.has(at)) return
  const names = new Map<string, string>()
  for (const [index, route] of routes.entries()) {
    const place = childPath(at, index)
    if (!problems.has(childPath(place, 'to'))) checkPool(route.to, pools, childPath(place, 'to'), problems)
    const first = names.get(route.name)
    if (first === undefined) names.set(route.name, place)
    else problems.add(childPath(place, 'name'), `is the name of ${first} as well; give each its own`)
  }
}

/** The cookie by which the split knows a client cannot name the client's server as well. */
function checkSticky({ sticky, splitBy }: ServiceSettings, at: string, problems: Problems): void {
  if (!isKeyed(sticky) || typeof splitBy !== 'string' || problems.has(childPath(at, 'cookie'))) return
  const ofSplit =
    splitBy === 'cookie' ? ID_COOKIE : splitBy.startsWith('cookie:') ? splitBy.slice('cookie:'.length) : null
  if (sticky.cookie !== ofSplit) return
  problems.add(childPath(at, 'cookie'), `is the cookie of splitBy: ${splitBy}; give it another name`)
}

function checkPool(name: string, pools: readonly string[], path: string, problems: Problems): void {
  if (pools.includes(name)) return
  problems.add(path, `no such pool${suggestion(name, pools)} (${listed(pools)})`)
}

/** Converts the policies of a service without problems to those of the model. */
export function resolveTraffic(settings: ServiceSettings): TrafficPolicies {
  const { splitBy, routes, sticky, slowStart, headers, mirror } = settings
  return {
    splitBy: splitByOf(splitBy),
    routes: routes.map(
      ({ name, match, to, onUnavailable }): RouteRule => ({ name, match: matchOf(match), to, onUnavailable }),
    ),
    sticky: sticky === false ? null : { cookie: sticky.cookie, ttlMs: sticky.ttl },
    slowStartMs: slowStart,
    headers: changesNothing(headers.request) && changesNothing(headers.response) ? null : headers,
    mirror: mirror && mirrorOf(mirror),
  }
}

function changesNothing({ set, remove }: FieldEdits): boolean {
  return remove.length === 0 && Object.keys(set).length === 0
}

function mirrorOf({ to, percent, methods, bodyBytes, inFlight }: NonNullable<ServiceSettings['mirror']>): MirrorRule {
  return { to, share: Math.round(percent * 100), methods: [...new Set(methods)], bodyBytes, inFlight }
}

/** Converts `leastRequest`, `roundRobin` or `hash:…`. */
export function balanceOf(given: string): Balance {
  if (given.startsWith('hash:')) return { hash: keySourceOf(given.slice('hash:'.length)) }
  return given === 'roundRobin' ? 'roundRobin' : 'leastRequest'
}

function splitByOf(given: string): SplitBy {
  if (given === 'request') return 'request'
  return given === 'cookie' ? 'issuedCookie' : keySourceOf(given)
}

/** Converts `ip`, `path`, `header:NAME` or `cookie:NAME`. */
function keySourceOf(given: string): KeySource {
  const [from = '', name = ''] = given.split(/:(.*)/s)
  if (from === 'header') return { from, name: name.toLowerCase() }
  if (from === 'cookie') return { from, name }
  return { from: from === 'path' ? 'path' : 'ip' }
}
