import type { FastifyReply, FastifyRequest } from 'fastify'
import type { CommandMaker, Result } from '../control/controller.ts'
import type { Standing } from '../control/progress.ts'
import type { Request } from '../model/commands.ts'
import type { Drain } from '../model/drains.ts'
import type { AdminContext } from './context.ts'
import { readIfMatch, readInput, WriteQuery } from './input.ts'
import { ApiProblem, refusalProblem } from './problems.ts'

/** What a body may say of a command beside its own matter. */
export interface Insistence {
  readonly force?: boolean
  readonly reason?: string
}

export interface Written {
  readonly revision: number
  readonly changed: boolean
  /** Present where something was to come to rest: what has, and how many requests were cut for it. */
  readonly drained?: readonly string[]
  readonly cut?: number
}

/** Who asks for a write, why, and how insistently: from the query, the body and the headers. */
export function requestOf(request: FastifyRequest, { force = false, reason = '' }: Insistence = {}): Request {
  const query = readInput(WriteQuery, writeQuery(request))
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
  insistence: Insistence = {},
): Promise<Written> {
  const { wait } = readInput(WriteQuery, writeQuery(request))
  const result = await context.control.execute(make, requestOf(request, insistence))
  return settle(context, reply, result, wait)
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
  const { progress } = context.control
  const keys = drains.flatMap((drain) => drain.keys)
  const standing =
    waitMs > 0 ? await progress.wait(revision, keys, waitMs) : { ...progress.standing(revision, keys), cut: 0 }
  reply.header('etag', `"${revision}"`)
  const drained = standing.applied ? drains.filter((drain) => isIdle(drain, standing)).map(({ name }) => name) : []
  if (waitMs > 0 && (!standing.applied || drained.length < drains.length)) {
    throw notYet(revision, changed, waitMs, drains, standing)
  }
  return { revision, changed, ...(drains.length === 0 ? {} : { drained, cut: standing.cut }) }
}

function isIdle(drain: Drain, { busy }: Standing): boolean {
  return drain.keys.every((key) => busy[key] === undefined)
}

function notYet(
  revision: number,
  changed: boolean,
  waitMs: number,
  drains: readonly Drain[],
  { lagging, busy }: Standing,
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

function writeQuery(request: FastifyRequest): object {
  const { service: _service, pool: _pool, ...query } = request.query as Record<string, unknown>
  return query
}
