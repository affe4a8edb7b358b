import { checkRollout } from '../config/rollout-spec.ts'
import type { CommandMaker } from '../control/controller.ts'
import type { Command } from '../model/commands.ts'
import { unknown } from '../model/draft.ts'
import { earlierWrite } from '../model/keyed.ts'
import { own } from '../model/names.ts'
import type { Problem, Refusal } from '../model/refusal.ts'
import { newStep } from '../model/rollout/moves.ts'
import { findRollout, hasEnded, type Rollout, rolloutsOf, runningRollout } from '../model/rollout/rollout.ts'
import type { RolloutSpec } from '../model/rollout/rollout-spec.ts'
import { NOTHING_ROUTED } from '../model/rollout/routed-shares.ts'
import { ask, type RolloutVerb } from '../model/rollout/verbs.ts'
import { standbyPool, standbyProblem } from '../model/routing.ts'
import { serversOf } from '../model/servers.ts'
import { shareOf } from '../model/split.ts'
import type { JsonObject, Service, State } from '../model/state.ts'
import { currentSplit } from '../model/state.ts'
import { newMetric } from './judging.ts'

/** A rollout as a caller asks for it. */
export interface WantedRollout {
  readonly service: string
  /** Absent = the pool of the rollout that runs, or the one without a share, of two. */
  readonly to?: string
  /** Keys of the rollout as written. */
  readonly settings: JsonObject
  /** Takes the place of a rollout that runs. */
  readonly replace: boolean
}

/** Begins a rollout. `nowSecond`: end of the counts that are known, a second of the store's clock. */
export function startRollout(wanted: WantedRollout, nowSecond: () => number): CommandMaker {
  return (state, request, facts) => {
    const { by, reason, force } = request
    const service = own(state.services, wanted.service)
    if (service === undefined) return { refusal: unknown('service', wanted.service, Object.keys(state.services)) }
    const earlier = earlierWrite(state, request, facts)
    const begunEarlier = earlier === null ? null : findRollout(state, service.name, idOf(earlier.revision))
    if (begunEarlier !== null) return repeated('beginRollout', begunEarlier)
    const running = runningRollout(state, service.name)
    const to = wanted.to ?? running?.to ?? standbyPool(service)
    if (to === null) return invalid([{ path: 'to', message: standbyProblem(service) }])
    const pools = Object.keys(service.spec.pools)
    if (!pools.includes(to)) return { refusal: unknown('pool', to, pools) }
    const from = running?.from ?? stablePool(service, to)
    if (from === to) return conflict(`Pool ${to} is the stable pool of ${service.name} already.`)
    const checked = checkRollout(wanted.settings, service.source, serversOf(service, to).length)
    if (!checked.ok) return invalid(checked.problems)
    const begun = newRollout(state, service, {
      to,
      from,
      spec: checked.spec,
      nowMs: facts.nowMs,
      secret: facts.secret,
      nowSecond: nowSecond(),
    })
    const rollout: Rollout = { ...begun, by, note: reason, forced: force }
    return { command: { kind: 'beginRollout', service: service.name, rollout, replace: wanted.replace } }
  }
}

/** Asks a verb of a rollout. Retrying one that was aborted begins it anew. */
export function askRollout(name: string, id: string, verb: RolloutVerb, nowSecond: () => number): CommandMaker {
  return (state, request, facts) => {
    const service = own(state.services, name)
    if (service === undefined) return { refusal: unknown('service', name, Object.keys(state.services)) }
    const rollout = findRollout(state, name, id)
    if (rollout === null)
      return {
        refusal: unknown(
          'rollout',
          id,
          rolloutsOf(state, name).map((each) => each.id),
        ),
      }
    const earlier = earlierWrite(state, request, facts)
    if (earlier !== null) return repeated('moveRollout', findRollout(state, name, idOf(earlier.revision)) ?? rollout)
    const { by, reason, force } = request
    if (verb.verb === 'retry' && hasEnded(rollout) && rollout.state !== 'Succeeded') {
      const { to, from, spec } = rollout
      const begun = newRollout(state, service, {
        to,
        from,
        spec,
        nowMs: facts.nowMs,
        secret: facts.secret,
        nowSecond: nowSecond(),
      })
      return {
        command: {
          kind: 'beginRollout',
          service: name,
          rollout: { ...begun, by, note: reason, forced: force },
          replace: false,
        },
      }
    }
    const next = ask(rollout, verb, { nowMs: facts.nowMs, by, reason })
    if ('kind' in next) return { refusal: next }
    return { command: { kind: 'moveRollout', service: name, rollout: next } }
  }
}

/** A command that has been carried out already, under the same Idempotency-Key: `decide` says so. */
function repeated(kind: 'beginRollout' | 'moveRollout', rollout: Rollout): { readonly command: Command } {
  const { service } = rollout
  return { command: kind === 'moveRollout' ? { kind, service, rollout } : { kind, service, rollout, replace: false } }
}

/** The id of the rollout that began with a revision. */
function idOf(revision: number): string {
  return `r${revision}`
}

interface NewRollout {
  readonly secret: string
  readonly to: string
  readonly from: string
  readonly spec: RolloutSpec
  readonly nowMs: number
  readonly nowSecond: number
}

function newRollout(state: State, service: Service, { to, from, spec, nowMs, nowSecond, secret }: NewRollout): Rollout {
  const revision = state.revision + 1
  return {
    id: idOf(revision),
    service: service.name,
    from,
    to,
    by: '',
    note: null,
    spec,
    state: 'Pending',
    reason: null,
    detail: null,
    resumesTo: null,
    weight: 0,
    step: newStep(0, 1, nowMs),
    routes: [],
    mirror: null,
    metrics: spec.analysis.metrics.map((metric) => newMetric(metric, spec)),
    shares: NOTHING_ROUTED,
    drift: 'ok',
    firstDecision: revision,
    judgedUntil: nowSecond,
    stateSinceMs: nowMs,
    startedMs: nowMs,
    endedMs: null,
    epoch: 0,
    gateKey: secret,
    forced: false,
  }
}

/** The pool with the largest share but `to`; `beginRollout` refuses a split between several. */
function stablePool(service: Service, to: string): string {
  const split = currentSplit(service)
  const others = Object.keys(service.spec.pools).filter((pool) => pool !== to)
  return others.sort((a, b) => shareOf(split, b) - shareOf(split, a))[0] ?? to
}

function invalid(problems: readonly Problem[]): { readonly refusal: Refusal } {
  return { refusal: { kind: 'invalid', problems } }
}

function conflict(detail: string): { readonly refusal: Refusal } {
  return { refusal: { kind: 'conflict', detail } }
}
