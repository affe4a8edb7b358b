import type { Facts } from '../commands.ts'
import { runningDeploy } from '../deploys.ts'
import { putDocument } from '../document-kind.ts'
import type { Draft, Edit } from '../draft.ts'
import type { Refusal } from '../refusal.ts'
import { allTo, sameSplit, shareOf } from '../split.ts'
import type { Change, Service, State } from '../state.ts'
import { currentSplit } from '../state.ts'
import { ended } from './moves.ts'
import { findRollout, hasEnded, ROLLOUTS, type Rollout, rolloutsOf, runningRollout } from './rollout.ts'
import { briefly } from './rollout-events.ts'
import { serviceRollout } from './service-rollout.ts'

/** Rollouts kept per service, with those that have ended. */
const MAX_KEPT = 20

/** Begins a rollout. `replace`: ends the one that runs, whose canary loses its share first. */
export function beginRollout(state: State, service: Service, rollout: Rollout, replace: boolean, facts: Facts): Draft {
  const running = runningRollout(state, service.name)
  if (running !== null && !replace)
    return runningRefusal(running, 'Wait until it has ended, or send {"concurrency": "replace"}.')
  const refusal = running === null ? startRefusal(service, rollout) : null
  if (refusal !== null) return refusal
  const deploy = runningDeploy(state, service.name)
  if (deploy !== null)
    return conflict(`${deploy.by} deploys to pool ${deploy.pool} of ${service.name}; wait until that has ended.`)
  const stopped = running === null ? null : displaced({ ...running, weight: 0 }, facts.nowMs)
  const edit = rolled(service, rollout, 'begin rollout', null, briefly(rollout))
  const replaced = stopped === null ? {} : { [stopped.id]: { revision: state.revision + 1, value: stopped } }
  const begun = { [rollout.id]: { revision: state.revision + 1, value: rollout } }
  const forgotten = Object.fromEntries(tooOld(state, service.name).map(({ id }) => [id, null]))
  return { edits: [edit], collections: { [ROLLOUTS.collection]: { ...forgotten, ...replaced, ...begun } } }
}

/** Why a rollout cannot begin with the split in force; null = it can. */
function startRefusal(service: Service, { to, from }: Rollout): Refusal | null {
  const split = currentSplit(service)
  if (shareOf(split, to) > 0)
    return conflict(`Pool ${to} has ${shareOf(split, to) / 100} % of the traffic of ${service.name} already.`)
  if (!sameSplit(split, allTo(from))) {
    const shown = JSON.stringify(split)
    return conflict(`Several pools of ${service.name} have traffic (${shown}); switch to one of them first.`)
  }
  return null
}

/** The oldest rollouts beyond those that are kept. */
function tooOld(state: State, service: string): readonly Rollout[] {
  const past = rolloutsOf(state, service).filter(hasEnded)
  return past.slice(0, Math.max(0, past.length + 2 - MAX_KEPT))
}

/** Puts the next state of a rollout in place of the current one; the split follows its weight. */
export function moveRollout(state: State, service: Service | undefined, next: Rollout): Draft {
  const before = findRollout(state, next.service, next.id)
  if (before === null || hasEnded(before)) return conflict(`Rollout ${next.id} has ended.`)
  if (next === before) return { edits: [] }
  const collections = putDocument(ROLLOUTS, next.id, next, state.revision + 1)
  if (service === undefined) return { edits: [], collections }
  const isSame = before.weight === next.weight && sameRouting(service, next)
  if (isSame && !isWorthHistory(before, next)) return { edits: [], collections }
  const action = `rollout ${next.state.toLowerCase()}`
  if (isSame) {
    const note = { service: service.name, action, from: briefly(before), to: briefly(next) }
    return { edits: [], collections, notes: [note] }
  }
  return { edits: [rolled(service, next, action, briefly(before), briefly(next))], collections }
}

function isWorthHistory(before: Rollout, next: Rollout): boolean {
  return before.state !== next.state || before.reason !== next.reason || before.step.index !== next.step.index
}

function sameRouting(service: Service, next: Rollout): boolean {
  return JSON.stringify(service.rollout ?? null) === JSON.stringify(serviceRollout(next))
}

/** Supersedes the rollout of a service by a command that changes its routing: what it has routed stays as it is. */
export function superseded(
  state: State,
  edit: Edit,
  nowMs: number,
): { readonly edit: Edit; readonly collections: NonNullable<Change['collections']> } | null {
  const running = runningRollout(state, edit.service)
  if (running === null) return null
  const next = displaced(running, nowMs)
  const collections = putDocument(ROLLOUTS, running.id, next, state.revision + 1)
  if (edit.after === null) return { edit, collections }
  const { rollout: _, ...after } = edit.after
  return { edit: { ...edit, after }, collections }
}

/** Ends a rollout because something else takes its place: one that is being aborted stays aborted. */
function displaced(running: Rollout, nowMs: number): Rollout {
  return ended(running, running.state === 'Aborting' ? 'Aborted' : 'Superseded', nowMs)
}

/** Refuses a command that a running rollout would be confused by. */
export function runningRefusal({ id, service, to, state }: Rollout, how: string): Refusal {
  return conflict(`Rollout ${id} to pool ${to} of ${service} is running (${state}). ${how}`)
}

/** The edit that gives a service the weight and the routing of its rollout. */
function rolled(service: Service, rollout: Rollout, action: string, from: Edit['from'], to: Edit['to']): Edit {
  const part = serviceRollout(rollout)
  const { rollout: _, ...rest } = service
  const { weight } = rollout
  const split = weight === 0 ? allTo(rollout.from) : weight === 100 ? allTo(rollout.to) : mixed(rollout)
  const decisions = sameSplit(currentSplit(service), split)
    ? service.decisions
    : [...service.decisions, { revision: 0, split }]
  const poolCuts = Object.fromEntries(Object.entries(service.poolCuts).filter(([pool]) => shareOf(split, pool) === 0))
  const after = { ...rest, decisions, poolCuts, ...(part === null ? {} : { rollout: part }) }
  return { before: service, after, service: service.name, action, from, to }
}

function mixed({ from, to, weight }: Rollout): Record<string, number> {
  return { [from]: Math.round((100 - weight) * 100) / 100, [to]: weight }
}

function conflict(detail: string): Refusal {
  return { kind: 'conflict', detail }
}
