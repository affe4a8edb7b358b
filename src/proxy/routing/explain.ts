import type { Hooks } from '../../hooks/types.ts'
import type { DecisionStep, ExplainedRequest, Explanation, PoolVerdict, ServerVerdict } from '../../model/explain.ts'
import {
  describeBalance,
  describeHooks,
  describeKey,
  describeMatch,
  describeMode,
  describeRule,
  describeSplitBy,
  describeSticky,
  shares,
} from './decision-words.ts'
import { DescribedRequest } from './described-request.ts'
import type { PoolRoute } from './pool-route.ts'
import type { Router } from './router.ts'
import type { ServiceRoute } from './service-route.ts'

/**
 * Explains how a request would be decided now. `wanted`: the service to ask, whatever the host and path; null = the one that
 * matches. `hooks`: those in force, which are not called; null = none.
 */
export function explain(
  asked: ExplainedRequest,
  router: Router,
  wanted: ServiceRoute | null,
  hooks: Hooks | null,
  now: number,
): Explanation {
  const match = router.match(asked.host, asked.target)
  const route = wanted ?? match?.route ?? null
  const found = { step: 'service' as const, result: describeMatch(asked, match, wanted) }
  if (route === null) return { service: null, steps: [found], pools: [], servers: [] }
  const { table } = route
  const request = new DescribedRequest(asked)
  const { steps, pools } = decide(route, request, now)
  const chosen = new Set(pools.filter(({ gets }) => gets !== 'none').map(({ name }) => name))
  const servers = table.pools.flatMap(({ name, servers: all }): ServerVerdict[] => {
    const pool = route.poolNamed(name)
    return all.map(({ key }) => {
      const verdict = table.mode === undefined ? pool?.verdictOn(key, now) : undefined
      if (verdict === undefined) return { key, may: false, reason: 'closed' }
      return verdict.may && !chosen.has(name) ? { key, may: false, reason: 'otherPool' } : verdict
    })
  })
  const before: DecisionStep[] = [found, { step: 'mode', result: describeMode(table) }]
  if (hooks !== null) before.push({ step: 'hooks', result: describeHooks(hooks, route.choosableNames) })
  return {
    service: table.name,
    steps: [...before, ...steps],
    pools,
    servers,
  }
}

interface Decided {
  readonly steps: readonly DecisionStep[]
  readonly pools: readonly PoolVerdict[]
}

function decide(route: ServiceRoute, request: DescribedRequest, now: number): Decided {
  const steps: DecisionStep[] = []
  const rules = route.routes?.rules ?? []
  const fitting = route.routes?.find(request) ?? null
  for (const rule of rules) {
    steps.push({ step: 'routes', result: describeRule(rule, request, now) })
    if (rule === fitting) break
  }
  if (fitting !== null && (fitting.pool.canTake(now) || fitting.fails)) {
    const pools = verdicts(route, (pool) =>
      pool === fitting.pool && pool.canTake(now)
        ? { gets: 'all', reason: `route "${fitting.name}" sends it here` }
        : { gets: 'none', reason: `route "${fitting.name}" sends it to ${fitting.pool.name}` },
    )
    return { steps: [...steps, ...serverSteps(route, request, [fitting.pool], now)], pools }
  }
  return bySplit(route, request, steps, now)
}

function bySplit(
  route: ServiceRoute,
  request: DescribedRequest,
  before: readonly DecisionStep[],
  now: number,
): Decided {
  const { cohort, pools, table } = route
  const client = cohort?.hashOf(request, false) ?? null
  if (cohort === null || client === null || request.needsId) {
    const able = pools.filter((pool) => pool.canTake(now))
    const result = `${describeSplitBy(table.traffic?.splitBy, request)}: ${shares(pools)}`
    const kept = route.sticky?.serverOf(request, null, now)?.pool ?? null
    const named = kept !== null && pools.includes(kept) ? kept : null
    const asked = named === null ? able : [named]
    const steps: DecisionStep[] = [...before, { step: 'split', result }, ...serverSteps(route, request, asked, now)]
    return {
      steps,
      pools: verdicts(route, (pool) => (named === null ? shareVerdict(pool, able) : keptVerdict(pool, named))),
    }
  }
  const order = cohort.order(client)
  const first = order.find((pool) => pool.canTake(now))
  const own = order[0]
  const key = describeKey(table.traffic?.splitBy ?? 'request')
  const instead = first === own || first === undefined ? '' : `, which has no server for it, so ${first.name} serves it`
  const result = `by the client's ${key}: ${own?.name ?? 'no pool has a share'}${instead}`
  const steps: DecisionStep[] = [
    ...before,
    { step: 'split', result },
    ...serverSteps(route, request, first === undefined ? [] : [first], now),
  ]
  const judged = verdicts(route, (pool) => {
    const from = cohort.entersAt(client, pool)
    const bucket = from === null ? '' : `; it would be here from ${from} % on`
    if (pool === first)
      return {
        gets: 'all',
        reason: `the client belongs here${pool === own ? '' : ' while its own pool cannot take requests'}`,
        from,
      }
    if (pool.share === 0) return { gets: 'none', reason: 'it has no share' }
    return { gets: 'none', reason: `the client belongs to ${own?.name}${bucket}`, from }
  })
  return { steps, pools: judged }
}

type Verdict = Pick<PoolVerdict, 'gets' | 'reason'> & { readonly from?: number | null }

function verdicts(route: ServiceRoute, judge: (pool: PoolRoute) => Verdict): readonly PoolVerdict[] {
  return route.table.pools.map(({ name }) => {
    const pool = route.poolNamed(name)
    const verdict: Verdict =
      pool === undefined ? { gets: 'none', reason: 'it has no share, and no route sends requests here' } : judge(pool)
    const fused = verdict.gets === 'none' ? fusedBy(route, name) : null
    return { name, from: null, ...verdict, ...(fused === null ? {} : { reason: fused }) }
  })
}

/** Why a pool gets no requests while the fuse of a rollout has tripped; null = not for that reason. */
function fusedBy({ fuse }: ServiceRoute, pool: string): string | null {
  if (fuse === null || fuse.trip === null || fuse.rollout.to !== pool) return null
  return `the fuse of rollout ${fuse.rollout.id} keeps requests from it`
}

function shareVerdict(pool: PoolRoute, able: readonly PoolRoute[]): Verdict {
  if (pool.share === 0) return { gets: 'none', reason: 'it has no share; only routes send requests here' }
  const percent = pool.share / 100
  if (!able.includes(pool)) return { gets: 'none', reason: `it has ${percent} %, but no server that takes requests` }
  if (able.length === 1) return { gets: 'all', reason: 'it is the only pool with a share that can take requests' }
  return { gets: 'share', reason: `it gets ${percent} % of the requests` }
}

function keptVerdict(pool: PoolRoute, kept: PoolRoute): Verdict {
  if (pool === kept) return { gets: 'all', reason: 'the sticky cookie names one of its servers' }
  return { gets: 'none', reason: `the sticky cookie names a server of ${kept.name}` }
}

/** The steps that choose the server in one of these pools. */
function serverSteps(
  { sticky, table }: ServiceRoute,
  request: DescribedRequest,
  pools: readonly PoolRoute[],
  now: number,
): readonly DecisionStep[] {
  const kept = sticky?.serverOf(request, null, now) ?? null
  const isKept = kept !== null && pools.includes(kept.pool)
  const steps: DecisionStep[] =
    sticky === null
      ? []
      : [{ step: 'sticky', result: describeSticky(sticky, request, isKept ? kept.target.name : null) }]
  if (isKept) return steps
  const able = pools.filter((pool) => pool.canTake(now))
  const result =
    able.length === 0
      ? 'no server can take it: 503'
      : `${describeBalance(table.balance)} in ${able.map(({ name }) => name).join(' or ')}`
  return [...steps, { step: 'balance', result }]
}
