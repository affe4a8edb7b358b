import type { FastifyReply, FastifyRequest } from 'fastify'
import type { StaticDecode } from 'typebox'
import type { CommandMaker, Result } from '../control/controller.ts'
import type { Settled } from '../control/drain-status.ts'
import type { Request } from '../model/commands.ts'
import type { Drain } from '../model/drains.ts'
import { entriesOf, matchesKey } from '../model/names.ts'
import type { LocalCommand } from '../model/overrides.ts'
import type { AdminContext } from './context.ts'
import { remainingAt } from './fleet-load.ts'
import { readIfMatch, readInput, WriteQuery } from './input.ts'
import { ApiProblem, refusalProblem } from './problems.ts'

/** Options of a write, from its body and its query. */
export interface WriteOptions {
  readonly force?: boolean
  readonly reason?: string
  /** Absent = not read yet. */
  readonly query?: StaticDecode<typeof WriteQuery>
}

/** What a change still waits for. */
export interface Missing {
  /** Instances, and proxies of this one, that have not applied it. */
  readonly lagging: readonly string[]
  /** Pools and servers with requests in flight; `at`: in a fleet, the instances that have them. */
  readonly underWay: readonly { readonly name: string; readonly inFlight: number; readonly at?: readonly string[] }[]
  /** Services that keep their previous definition; absent = none. */
  readonly handovers?: Settled['handovers']
}

export interface Written {
  readonly revision: number
  readonly changed: boolean
  /** Names of drained pools and servers; absent if the change drains none. `cut`: requests cut meanwhile. */
  readonly drained?: readonly string[]
  readonly cut?: number
  /** Times that waiting took, ms: until the change was in force in the whole fleet, and until its drains were idle. */
  readonly times?: { readonly applied: number; readonly idle: number }
  /** What was not complete when waiting ended. */
  readonly missing?: Missing
  /** Present if only this instance was changed. */
  readonly scope?: 'local'
  /** Instances that are out of touch: what they have in force is unknown, and they were not waited for. */
  readonly leftOut?: readonly string[]
  /** Instances that cannot read the new definition, and keep the last readable one. */
  readonly cannotFollow?: readonly string[]
  /** No replica of the store has the change yet: a fail-over now would lose it. */
  readonly mayBeLost?: true
}

/** A write that was carried out, before it is answered. */
export interface Carried {
  readonly written: Written
  readonly drains: readonly Drain[]
  /** Those of them that were at rest when it was carried out, or when waiting for it ended. */
  readonly atRest: readonly Drain[]
  /** See `Settled.isCertain`. */
  readonly isCertain: boolean
  /** On this instance alone. */
  readonly here: boolean
  /** Times until the change was in force and its drains idle, and what was still missing when waiting ended. */
  readonly settled: Settled
}

/**
 * Returns the answer to a write together with `view`. Drains are checked at the same moment as the view was made, so that
 * both agree.
 */
export function answerTo<V extends object>(
  { control }: AdminContext,
  { written, drains, atRest, isCertain, here }: Carried,
  view: V,
): Written & V {
  if (drains.length === 0) return { ...written, ...view }
  const isDrained = (drain: Drain): boolean => atRest.includes(drain) || control.drains.isDrained(drain, here)
  const drained = isCertain ? drains.filter(isDrained) : []
  return { ...written, drained: drained.map(({ name }) => name), ...view }
}

/** Author, reason, force and preconditions of a write, from its query, body and header. */
export function requestOf(request: FastifyRequest, options: WriteOptions): Request {
  const { force = false, reason = '', query = readInput(WriteQuery, request.query) } = options
  const { idempotency } = request
  return {
    by: request.actor.name,
    reason: reason || query.reason || null,
    force: force || query.force,
    ifMatch: readIfMatch(request),
    ...(idempotency === null ? {} : { idempotency }),
  }
}

/** Carries out a command, and with `?wait=` waits for the fleet. Throws ApiProblem if it is refused or not complete in time. */
export async function carryOut(
  context: AdminContext,
  request: FastifyRequest,
  reply: FastifyReply,
  make: CommandMaker,
  options: WriteOptions,
): Promise<Carried> {
  const query = options.query ?? readInput(WriteQuery, request.query)
  const result = await context.control.execute(make, requestOf(request, { ...options, query }))
  return settle(context, reply, result, query.wait)
}

/** Carries out a command on this instance alone. */
export async function carryOutHere(
  context: AdminContext,
  request: FastifyRequest,
  reply: FastifyReply,
  command: LocalCommand,
  options: WriteOptions & { readonly query: StaticDecode<typeof WriteQuery> },
): Promise<Carried> {
  const result = await context.overrides.execute(command, requestOf(request, options))
  return settle(context, reply, result, options.query.wait, { here: true })
}

/** How to wait for a write that was carried out. */
export interface Waiting {
  /** For this instance alone. */
  readonly here?: boolean
  /** What is not complete in time is no failure of the write. */
  readonly mayBeIncomplete?: boolean
}

/** The answer to a write once it is done; `waitMs`: how long to wait for the fleet, 0 = not at all. */
export async function settle(
  context: AdminContext,
  reply: FastifyReply,
  result: Result,
  waitMs: number,
  { here = false, mayBeIncomplete = false }: Waiting = {},
): Promise<Carried> {
  if (result.kind === 'refused') throw refusalProblem(result.refusal)
  const { revision, changed, drains, services, unreplicated } = result
  const settled = await context.control.drains.settled(revision, drains, waitMs, here, services)
  const { applied, reopened, cut, lost, leftOut, isCertain, appliedMs, idleMs } = settled
  reply.header('etag', `"${revision}"`)
  const cannotFollow = here ? {} : cannotFollowOf(context, revision, changed)
  const atRest = drains.filter((drain) => isCertain && applied && isIdle(drain, settled))
  let missing: Missing | null = null
  if (waitMs > 0 && lost) throw lostProblem(revision)
  if (waitMs > 0 && reopened.length > 0) throw overtaken(revision, reopened)
  if (waitMs > 0 && (!isCertain || !applied || atRest.length < drains.length)) {
    // `busy` counts the requests in flight when the change was applied; some have ended since.
    const now = await remainingAt(context, Object.keys(settled.busy))
    const busy = Object.fromEntries(Object.entries(now).map(([key, count]) => [key, Math.max(1, count)]))
    const inFleet = context.fleet.live().length > 0
    missing = missingOf(drains, { ...settled, busy }, inFleet)
    if (!mayBeIncomplete) throw notYet({ revision, changed }, waitMs, missing, settled, inFleet, cannotFollow)
  }
  const written = {
    revision,
    changed,
    ...(here ? { scope: 'local' as const } : {}),
    ...(drains.length === 0 ? {} : { drained: atRest.map(({ name }) => name), cut }),
    ...(waitMs === 0 || appliedMs === null || idleMs === null ? {} : { times: timesOf(appliedMs, idleMs) }),
    ...(missing === null ? {} : { missing }),
    ...(leftOut.length === 0 ? {} : { leftOut }),
    ...cannotFollow,
    ...(unreplicated ? { mayBeLost: true as const } : {}),
  }
  return { written, drains, atRest, isCertain, here, settled }
}

/** The instances that cannot read a service that this revision has changed. */
function cannotFollowOf({ control }: AdminContext, revision: number, changed: boolean): Pick<Written, 'cannotFollow'> {
  const services = Object.values(control.state.services).filter((service) => changed && service.revision === revision)
  const cannotFollow = control.convergence.cannotFollow(services.map(({ name }) => name))
  return cannotFollow.length === 0 ? {} : { cannotFollow }
}

function timesOf(appliedMs: number, idleMs: number): NonNullable<Written['times']> {
  return { applied: Math.round(appliedMs), idle: Math.round(idleMs) }
}

function lostProblem(revision: number): ApiProblem {
  const detail = `The store has lost revision ${revision} in a fail-over; it is not in force any more. Look at the state, and decide again.`
  return new ApiProblem(503, 'Lost by the store', detail, { revision })
}

function isIdle({ name, keys }: Drain, { busy, reopened }: Settled): boolean {
  return !reopened.includes(name) && entriesOf(busy, keys).length === 0
}

function overtaken(revision: number, reopened: readonly string[]): ApiProblem {
  const names = reopened.join(', ')
  const detail = `Revision ${revision} drained ${names}, but a later one made it take requests again; see the history.`
  return new ApiProblem(409, 'Overtaken by a later change', detail, { revision, reopened })
}

function missingOf(drains: readonly Drain[], { lagging, handovers, busy, busyAt }: Settled, inFleet: boolean): Missing {
  const underWay = drains
    .map(({ name, keys }) => {
      const at = busyAt.filter((each) => each.keys.some((key) => matchesKey(key, keys))).map(({ instance }) => instance)
      const inFlight = entriesOf(busy, keys).reduce((sum, [, count]) => sum + count, 0)
      return { name, inFlight, ...(inFleet ? { at } : {}) }
    })
    .filter(({ inFlight }) => inFlight > 0)
  return { lagging, underWay, ...(handovers.length === 0 ? {} : { handovers }) }
}

function notYet(
  { revision, changed }: Pick<Written, 'revision' | 'changed'>,
  waitMs: number,
  missing: Missing,
  { leftOut, isCertain }: Settled,
  inFleet: boolean,
  cannotFollow: Pick<Written, 'cannotFollow'>,
): ApiProblem {
  const { lagging, underWay, handovers = [] } = missing
  const sentences = [
    ...lagging.map((name) =>
      cannotFollow.cannotFollow?.includes(name) === true
        ? `${name} cannot read the definition, and keeps the previous one`
        : `${name} has not applied it`,
    ),
    ...handovers.map(({ instance, waitsFor }) => (inFleet ? `at ${instance}, ${waitsFor}` : waitsFor)),
    ...underWay.map(
      ({ name, inFlight, at }) =>
        `${name} has ${inFlight} request${inFlight === 1 ? '' : 's'} in flight${at === undefined ? '' : ` at ${at.join(', ')}`}`,
    ),
    ...(isCertain ? [] : ['the store does not answer, so an instance that has joined meanwhile may be unknown here']),
  ]
  const stands = changed
    ? `The change stands (revision ${revision})`
    : `Nothing was left to change (revision ${revision})`
  const detail = `${stands}, but after ${waitMs} ms: ${sentences.join('; ')}. Repeat the call with ?wait= to wait longer.`
  return new ApiProblem(504, 'Not yet everywhere', detail, {
    revision,
    changed,
    missing,
    ...cannotFollow,
    ...(leftOut.length === 0 ? {} : { leftOut }),
  })
}
