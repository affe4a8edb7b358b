import type { FastifyReply, FastifyRequest } from 'fastify'
import type { StaticDecode } from 'typebox'
import type { Settled } from '../control/control-half.ts'
import type { CommandMaker, Result } from '../control/controller.ts'
import type { Request } from '../model/commands.ts'
import type { Drain } from '../model/drains.ts'
import type { AdminContext } from './context.ts'
import { readIfMatch, readInput, WriteQuery } from './input.ts'
import { ApiProblem, refusalProblem } from './problems.ts'

/** What a write says beside its own matter: in its body, and in its query. */
export interface Insistence {
  readonly force?: boolean
  readonly reason?: string
  /** Where it has been read already. */
  readonly query?: StaticDecode<typeof WriteQuery>
}

export interface Written {
  readonly revision: number
  readonly changed: boolean
  /** Present where something was to come to rest: what has, and how many requests were cut for it. */
  readonly drained?: readonly string[]
  readonly cut?: number
}

/** Who asks for a write, why, and how insistently: from the query, the body and the headers. */
export function requestOf(request: FastifyRequest, insistence: Insistence): Request {
  const { force = false, reason = '', query = readInput(WriteQuery, request.query) } = insistence
  return {
    by: request.actor.name,
    reason: reason || query.reason || null,
    force: force || query.force,
    ifMatch: readIfMatch(request),
  }
}

/** Carries out a command, and with `?wait=` waits until the fleet has; throws the problem to answer otherwise. */
export async function carryOut(
  context: AdminContext,
  request: FastifyRequest,
  reply: FastifyReply,
  make: CommandMaker,
  insistence: Insistence,
): Promise<Written> {
  const query = insistence.query ?? readInput(WriteQuery, request.query)
  const result = await context.control.execute(make, requestOf(request, { ...insistence, query }))
  return settle(context, reply, result, query.wait)
}

/** The answer to a write once it is done; `waitMs`: how long to wait for the fleet, 0 = not at all. */
export async function settle(
  context: AdminContext,
  reply: FastifyReply,
  result: Result,
  waitMs: number,
): Promise<Written> {
  if (result.kind === 'refused') throw refusalProblem(result.refusal)
  const { revision, changed, drains } = result
  const settled = await context.control.settled(revision, drains, waitMs)
  const { applied, reopened, cut } = settled
  reply.header('etag', `"${revision}"`)
  const drained = drains.filter((drain) => applied && isIdle(drain, settled)).map(({ name }) => name)
  if (waitMs > 0 && reopened.length > 0) throw overtaken(revision, reopened)
  if (waitMs > 0 && (!applied || drained.length < drains.length)) {
    // `busy` counts what was under way as the change was applied; by now some of it has ended.
    const { inFlight } = await context.control.collect()
    const busy = Object.fromEntries(Object.keys(settled.busy).map((key) => [key, inFlight[key] ?? 1]))
    throw notYet(revision, changed, waitMs, drains, { ...settled, busy })
  }
  return { revision, changed, ...(drains.length === 0 ? {} : { drained, cut }) }
}

function isIdle({ name, keys }: Drain, { busy, reopened }: Settled): boolean {
  return !reopened.includes(name) && keys.every((key) => busy[key] === undefined)
}

function overtaken(revision: number, reopened: readonly string[]): ApiProblem {
  const names = reopened.join(', ')
  const detail = `Revision ${revision} sent ${names} to rest, but a later one has it take requests again; see the history.`
  return new ApiProblem(409, 'Overtaken by a later change', detail, { revision, reopened })
}

function notYet(
  revision: number,
  changed: boolean,
  waitMs: number,
  drains: readonly Drain[],
  { lagging, busy }: Settled,
): ApiProblem {
  const underWay = drains
    .map(({ name, keys }) => ({ name, inFlight: keys.reduce((sum, key) => sum + (busy[key] ?? 0), 0) }))
    .filter(({ inFlight }) => inFlight > 0)
  const missing = [
    ...lagging.map((name) => `${name} has not applied it`),
    ...underWay.map(({ name, inFlight }) => `${name} has ${inFlight} request${inFlight === 1 ? '' : 's'} under way`),
  ]
  const stands = changed
    ? `The change stands (revision ${revision})`
    : `Nothing was left to change (revision ${revision})`
  const detail = `${stands}, but after ${waitMs} ms: ${missing.join('; ')}. Ask again with ?wait= to wait on.`
  return new ApiProblem(504, 'Not yet everywhere', detail, { revision, changed, missing: { lagging, underWay } })
}
