import type { FastifyInstance } from 'fastify'
import { type StaticDecode, Type } from 'typebox'
import * as kind from '../../config/schema/kinds.ts'
import { PoolSchema } from '../../config/schema/service.ts'
import type { DeployFailure, DeployOutcome } from '../../control/deploys/deploy-outcome.ts'
import { socketFileOf } from '../../model/server-address.ts'
import type { JsonObject } from '../../model/state.ts'
import { type Actor, authorize } from '../auth.ts'
import type { AdminContext } from '../context.ts'
import { commandMembers, readBody, readInput, WriteQuery } from '../input.ts'
import { describe } from '../openapi.ts'
import { ApiProblem, invalidProblem, refusalProblem } from '../problems.ts'
import { shownProbe } from '../views.ts'
import type { Carried } from '../write.ts'
import { answerTo, requestOf, settle } from '../write.ts'
import { serviceViewOrNull } from './services.ts'

const DeployBody = kind.section(
  {
    pool: Type.Optional(
      kind.text({
        description:
          'A pool without a share, or a new one; by default that of the deploy to replace, or else the pool without a share, of two.',
      }),
    ),
    ...PoolSchema.properties,
    timeout: kind.duration({
      description: 'Max time until all servers are up; then, until the old pools have nothing in flight.',
      default: '60s',
      minMs: 1,
    }),
    drain: Type.Optional(
      kind.duration({
        description: 'Time after which requests that are still in flight at the old pools are cut; by default never.',
      }),
    ),
    replace: kind.flag({ description: 'End a deploy of the service that runs, and take its place.', default: false }),
    ...commandMembers,
  },
  {},
)

/** Settings in `tls` of a server that need the role `admin`: names of files on this machine, and trust in whoever answers. */
const TLS_OF_ADMINS = ['ca', 'cert', 'key', 'insecure'] as const

const EXAMPLE = { version: '1.5.0', servers: { green1: 'http://127.0.0.1:9001' }, timeout: '5s' }

/** Deploys: servers into a pool, and the switch there once they are up, in one call. */
export function deployRoutes(api: FastifyInstance, context: AdminContext): void {
  const schema = describe({
    tag: 'traffic',
    summary:
      'Put servers into a pool without traffic, switch to it once all of them are up, and answer when the old pool is idle; on failure the traffic is untouched and the pool as before',
    query: WriteQuery,
    body: DeployBody,
    example: EXAMPLE,
    answer: 'Deployed',
    late: 'NotDeployed',
  })
  api.post<{ Params: { service: string } }>('/api/services/:service/deploy', { schema }, async (request, reply) => {
    const { service } = request.params
    const { pool, servers, version: _, timeout, drain, replace, ...options } = readBody(DeployBody, request)
    if (Object.keys(servers).length === 0) {
      const message = 'name at least one server, such as {"green1": "http://10.0.1.1:9000"}'
      throw invalidProblem([{ path: 'servers', message }])
    }
    authorizeServers(request.actor, servers)
    const query = readInput(WriteQuery, request.query)
    const wanted = { service, ...(pool === undefined ? {} : { pool }), definition: asWritten(request.body), replace }
    const times = { timeoutMs: timeout, ...(drain === undefined ? {} : { drainMs: drain }) }
    const outcome = await context.deploys.run(wanted, times, requestOf(request, { ...options, query }))
    if (outcome.kind === 'refused') throw refusalProblem(outcome.refusal)
    if (outcome.kind === 'failed') throw failed(outcome, context.fleet.live().length > 0)
    const waiting = { mayBeIncomplete: query.wait === 0 }
    const carried = await settle(context, reply, outcome.result, query.wait || timeout, waiting)
    return answerTo(context, carried, {
      deploy: viewDeploy(outcome, carried),
      // The service may have been removed since.
      service: await serviceViewOrNull(context, service),
    })
  })
}

/** Throws 403 if a server is at a socket file, or has a setting in `tls`, that the role of the caller does not suffice for. */
function authorizeServers(actor: Actor, servers: StaticDecode<typeof DeployBody>['servers']): void {
  for (const [name, server] of Object.entries(servers)) {
    // A socket file leads to anything that listens on this machine.
    if (socketFileOf(server.url) !== null) authorize(actor, 'admin', `servers.${name}.url in a deploy, a socket file,`)
    const tls = 'tls' in server ? server.tls : undefined
    for (const key of TLS_OF_ADMINS) if (tls?.[key]) authorize(actor, 'admin', `servers.${name}.tls.${key} in a deploy`)
  }
}

/** The definition of the pool as the caller has written it, without defaults. */
function asWritten(body: unknown): JsonObject {
  const { version, servers } = body as JsonObject
  return { ...(version === undefined ? {} : { version }), ...(servers === undefined ? {} : { servers }) }
}

function viewDeploy({ pool, version, from, healthyMs }: Extract<DeployOutcome, { kind: 'done' }>, carried: Carried) {
  const { appliedMs, idleMs } = carried.settled
  const times = { healthy: rounded(healthyMs), applied: rounded(appliedMs), idle: rounded(idleMs) }
  return { pool, version, from, times }
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms)
}

const FAILURES: Readonly<Record<DeployFailure['why'], readonly [status: number, title: string]>> = {
  late: [504, 'Not up in time'],
  replaced: [409, 'Replaced by another deploy'],
  ended: [409, 'Ended by another request'],
  refused: [409, 'The switch was refused'],
  store: [503, 'The store is away'],
  stopping: [503, 'The instance is shutting down'],
}

function failed(
  { failure, revision, aftermath }: Extract<DeployOutcome, { kind: 'failed' }>,
  inFleet: boolean,
): ApiProblem {
  const [status, title] = FAILURES[failure.why]
  const servers = failure.notUp?.map(({ server: { name, url }, health, last, at }) => {
    return { name, url, health, lastProbe: last === null ? null : shownProbe(last), ...(inFleet ? { at } : {}) }
  })
  const members = { revision, ...(servers === undefined ? {} : { servers }) }
  return new ApiProblem(status, title, `${failure.detail} ${aftermath}`, members)
}
