import type { Hooks } from '../../hooks/types.ts'
import type { ExplainedRequest } from '../../model/explain.ts'
import type { Balance } from '../../model/spec.ts'
import type { TableService } from '../../model/table.ts'
import type { KeySource, SplitBy } from '../../model/traffic-policies.ts'
import type { DescribedRequest } from './described-request.ts'
import type { PoolRoute } from './pool-route.ts'
import type { Rule } from './route-rules.ts'
import { pathOf } from './routed-request.ts'
import type { Match } from './router.ts'
import type { ServiceRoute } from './service-route.ts'
import type { Sticky } from './sticky.ts'

/** Which service a request belongs to; `wanted`: the service that was asked about, null = any. */
export function describeMatch(asked: ExplainedRequest, match: Match | null, wanted: ServiceRoute | null): string {
  const where = `${asked.host}${pathOf(asked.target)}`
  const name = match?.route.table.name
  if (wanted === null) {
    return name === undefined
      ? `no service answers to ${where}: 404`
      : `${where} belongs to ${name}${prefixOf(match, asked)}`
  }
  const own = wanted.table.name
  if (name === own) return `${where} belongs to ${own}${prefixOf(match, asked)}`
  const instead = name === undefined ? 'no service answers to it' : `${name} answers to it`
  return `${where} does not belong to ${own}: ${instead}`
}

function prefixOf(match: Match | null, { target }: ExplainedRequest): string {
  return match === null || match.prefixLength === 0 ? '' : ` by its path ${target.slice(0, match.prefixLength)}`
}

/** The mode of a service, and what to do about it. */
export function describeMode({ mode }: TableService): string {
  if (mode === undefined) return 'serving'
  if (mode.kind === 'stopped') return `stopped: every request is answered ${mode.status}; resume it first`
  return `paused: requests are held for up to ${mode.forMs / 1_000} s, until someone resumes the service`
}

/** What hooks may decide, which only a real request shows. `pools`: those that they may choose. */
export function describeHooks({ request, choosePool }: Hooks, pools: readonly string[]): string {
  const may = [
    ...(request === undefined ? [] : ['its request may answer it']),
    ...(choosePool === undefined ? [] : [`its choosePool may choose the pool (${pools.join(', ')})`]),
  ]
  if (may.length === 0) return 'the program in proxy.hooks leaves the decision to what follows'
  return `the program in proxy.hooks is asked first, but not for an explanation: ${may.join(', ')}; otherwise it goes on as follows`
}

/** Whether a route fits a request, and why not. */
export function describeRule(rule: Rule<PoolRoute>, request: DescribedRequest, now: number): string {
  const failing = rule.conditions.find((condition) => !condition.fits(request))
  if (failing !== undefined) return `route "${rule.name}": ${failing.whyNot(request)}`
  const { pool, fails } = rule
  if (pool.canTake(now)) return `route "${rule.name}" fits: pool ${pool.name}`
  const otherwise = fails ? 'so it is answered 503' : 'so the split decides'
  return `route "${rule.name}" fits, but pool ${pool.name} has no server that takes requests, ${otherwise}`
}

/** How the split decides about a request without a key. */
export function describeSplitBy(splitBy: SplitBy = 'request', { needsId }: DescribedRequest): string {
  if (splitBy === 'request') return 'each request by the shares'
  if (needsId) return `the client has no cookie cutover_id; it gets one, and with it a pool by the shares`
  return `the client has no ${describeKey(splitBy)}, so each of its requests by the shares`
}

/** What the split knows a client by. */
export function describeKey(splitBy: SplitBy): string {
  if (splitBy === 'request') return 'request'
  if (splitBy === 'issuedCookie') return 'cookie cutover_id'
  return describeSource(splitBy)
}

function describeSource(source: KeySource): string {
  if ('name' in source) return `${source.from} ${source.name}`
  return source.from === 'ip' ? 'address' : 'path'
}

/** Whether the cookie of a client decides about its server; `kept`: the name of that server, null = it does not. */
export function describeSticky({ cookie }: Sticky, request: DescribedRequest, kept: string | null): string {
  if (kept !== null) return `the cookie ${cookie} keeps the client at ${kept}`
  if (request.cookie(cookie) === null) return `the client has no cookie ${cookie}; it gets one`
  return `the cookie ${cookie} names no server that may take it; the client gets a new one`
}

/** How a server is chosen. */
export function describeBalance(balance: Balance): string {
  return typeof balance === 'string' ? balance : `by the hash of the ${describeSource(balance.hash)}`
}

/** The shares of pools. */
export function shares(pools: readonly PoolRoute[]): string {
  return pools.map(({ name, share }) => `${name} ${share / 100} %`).join(', ')
}
