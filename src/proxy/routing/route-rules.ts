import type { RouteRule } from '../../model/traffic-policies.ts'
import type { Counters, Tally } from '../../telemetry/counters.ts'
import { type Condition, conditionsOf } from './request-match.ts'
import type { RoutedRequest } from './routed-request.ts'

/** A route, with the pool that it sends requests to. */
export class Rule<P> {
  readonly name: string
  readonly pool: P
  /** Whether requests fail while the pool has no server up, instead of going by the split. */
  readonly fails: boolean
  readonly conditions: readonly Condition[]
  private readonly tally: Tally

  constructor({ name, match, onUnavailable }: RouteRule, pool: P, tally: Tally) {
    this.name = name
    this.pool = pool
    this.fails = onUnavailable === 'fail'
    this.conditions = conditionsOf(match)
    this.tally = tally
  }

  fits(request: RoutedRequest): boolean {
    for (const condition of this.conditions) if (!condition.fits(request)) return false
    return true
  }

  /** Counts a request that this route has sent to its pool. */
  count(): void {
    this.tally.add()
  }
}

/** The routes of a service, asked before the split. */
export class RouteRules<P> {
  readonly rules: readonly Rule<P>[]

  constructor(service: string, routes: readonly RouteRule[], poolOf: (name: string) => P, counters: Counters) {
    this.rules = routes.map((route) => new Rule(route, poolOf(route.to), counters.tally('routed', service, route.name)))
  }

  /** Returns the first route that fits a request; null = none. */
  find(request: RoutedRequest): Rule<P> | null {
    for (const rule of this.rules) if (rule.fits(request)) return rule
    return null
  }
}
