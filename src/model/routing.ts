import type { Facts } from './commands.ts'
import type { Draft } from './draft.ts'
import { unknown } from './draft.ts'
import { listed, own } from './names.ts'
import { getsRequests } from './servers.ts'
import type { Split } from './spec.ts'
import { allTo, percentProblem, sameSplit, shareOf, shiftTo, splitProblems } from './split.ts'
import type { Service } from './state.ts'
import { currentSplit } from './state.ts'

/**
 * Moves the whole split to one pool: `wanted`, or the other one of two. After `drainMs`, requests in flight at the
 * previous pools are cut.
 */
export function switchTo(
  service: Service,
  wanted: string | undefined,
  drainMs: number | undefined,
  facts: Facts,
): Draft {
  const pools = Object.keys(service.spec.pools)
  const split = currentSplit(service)
  const to = wanted ?? standbyPool(service)
  if (to === null) return { kind: 'invalid', problems: [{ path: 'to', message: standbyProblem(service) }] }
  if (!pools.includes(to)) return unknown('pool', to, pools)
  const cutAt = drainMs === undefined ? undefined : facts.nowMs + drainMs
  if (cutAt !== undefined && sameSplit(split, allTo(to))) return setDeadline(service, cutAt, facts.nowMs)
  return route(service, allTo(to), 'switch', cutAt)
}

/** The pool without a share, of two; null = there are more, or both have one. */
export function standbyPool(service: Service): string | null {
  const pools = Object.keys(service.spec.pools)
  const idle = pools.filter((pool) => shareOf(currentSplit(service), pool) === 0)
  return pools.length === 2 && idle.length === 1 ? (idle[0] ?? null) : null
}

/** The problem of a command without a pool, where `standbyPool` is null. */
export function standbyProblem(service: Service): string {
  const pools = listed(Object.keys(service.spec.pools))
  const split = JSON.stringify(currentSplit(service))
  return `name the pool; it can be left out only with two pools and all traffic on one of them (the pools are ${pools}, the split is ${split})`
}

/** Sets the deadline of all pools that get no requests to `cutAt`, except those whose deadline has passed. */
function setDeadline(service: Service, cutAt: number, nowMs: number): Draft {
  const pools = Object.keys(service.spec.pools).filter((pool) => !getsRequests(service, pool))
  const open = pools.filter((pool) => (own(service.poolCuts, pool) ?? Number.POSITIVE_INFINITY) > nowMs)
  if (open.length === 0) return { edits: [] }
  const shown = (pool: string, at: number | undefined): [string, string | null] => [
    pool,
    at === undefined ? null : new Date(at).toISOString(),
  ]
  const from = Object.fromEntries(open.map((pool) => shown(pool, own(service.poolCuts, pool))))
  const to = Object.fromEntries(open.map((pool) => shown(pool, cutAt)))
  const poolCuts = { ...service.poolCuts, ...Object.fromEntries(open.map((pool) => [pool, cutAt])) }
  return {
    edits: [{ before: service, after: { ...service, poolCuts }, service: service.name, action: 'drain', from, to }],
  }
}

/**
 * Returns to the split of an earlier decision: the one in force at `revision`, or the one before the current decision.
 * `latest`: the revision of the state; a higher `revision` is unknown.
 */
export function rollback(service: Service, revision: number | undefined, latest: number): Draft {
  if (revision !== undefined && revision > latest) {
    const known = service.decisions.toReversed().map((decision) => String(decision.revision))
    return unknown('revision', String(revision), known)
  }
  const target =
    revision === undefined
      ? service.decisions.at(-2)
      : service.decisions.findLast((decision) => decision.revision <= revision)
  if (target === undefined) {
    const detail =
      revision === undefined
        ? 'There is no earlier routing decision to go back to.'
        : `No routing decision is remembered from revision ${revision} or before; the oldest is from ${service.decisions[0]?.revision}.`
    return { kind: 'conflict', detail }
  }
  const pools = Object.keys(service.spec.pools)
  const gone = Object.keys(target.split).filter((pool) => shareOf(target.split, pool) > 0 && !pools.includes(pool))
  if (gone.length > 0) {
    return { kind: 'conflict', detail: `That decision used pools that no longer exist: ${listed(gone)}.` }
  }
  return route(service, target.split, 'rollback')
}

/**
 * Puts a new split in force. At `cutAt` (ms, store's clock), requests in flight at pools that lose all traffic are cut.
 */
function route(service: Service, split: Split, action: string, cutAt?: number): Draft {
  const from = currentSplit(service)
  if (sameSplit(from, split)) return { edits: [] }
  const to = Object.fromEntries(Object.entries(split).filter(([pool]) => shareOf(split, pool) > 0))
  const cuts = Object.keys(service.spec.pools).flatMap((pool): [string, number][] => {
    if (shareOf(to, pool) > 0) return []
    const cut = shareOf(from, pool) > 0 ? cutAt : own(service.poolCuts, pool)
    return cut === undefined ? [] : [[pool, cut]]
  })
  const decisions = [...service.decisions, { revision: 0, split: to }]
  const after = { ...service, poolCuts: Object.fromEntries(cuts), decisions }
  return { edits: [{ before: service, after, service: service.name, action, from, to }] }
}

/** Sets the share of one pool to `percent`, and scales the others. */
export function shift(service: Service, to: string, percent: number): Draft {
  const pools = Object.keys(service.spec.pools)
  if (!pools.includes(to)) return unknown('pool', to, pools)
  const problem = percentProblem(percent)
  if (problem !== null) return { kind: 'invalid', problems: [{ path: 'percent', message: problem }] }
  const split = shiftTo(currentSplit(service), pools, to, percent)
  if (split === null) {
    const others = pools.filter((pool) => pool !== to)
    const message =
      others.length === 0
        ? `must be 100: there is no other pool for the rest`
        : `set the whole "split" instead: it is not clear which of the other pools gets the rest (${listed(others)})`
    return { kind: 'invalid', problems: [{ path: 'percent', message }] }
  }
  return route(service, split, 'shift')
}

/** Puts a whole split in force. */
export function setSplit(service: Service, split: Split): Draft {
  const problems = splitProblems(split, Object.keys(service.spec.pools))
  return problems.length > 0 ? { kind: 'invalid', problems } : route(service, split, 'shift')
}
