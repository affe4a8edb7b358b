import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type TSchema, Type } from 'typebox'
import * as kind from '../../config/schema/kinds.ts'
import type { LocalCommand } from '../../model/overrides.ts'
import type { ServerFilter } from '../../model/servers.ts'
import { findServers, unknownName } from '../../model/servers.ts'
import type { ServerState } from '../../model/state.ts'
import type { AdminContext } from '../context.ts'
import { fleetLoadOf } from '../fleet-load.ts'
import {
  CommandBody,
  commandMembers,
  readBody,
  readInput,
  ServerQuery,
  ServerStateQuery,
  ServerWriteQuery,
} from '../input.ts'
import { describe } from '../openapi.ts'
import { invalidProblem, refusalProblem } from '../problems.ts'
import type { ServerView, ViewContext } from '../views.ts'
import { byInstance, leavingOf, viewLeaving, viewServer, viewService } from '../views.ts'
import { answerTo, carryOut, carryOutHere, type WriteOptions } from '../write.ts'

const PatchBody = kind.section(
  {
    weight: Type.Optional(
      Type.Union([kind.count({ maximum: 1000 }), Type.Null()], {
        description: 'Overrides the configured weight; null = as configured.',
        errorMessage: 'expected a whole number from 0 to 1000, or null for the configured weight',
      }),
    ),
    state: Type.Optional(kind.choice(['ready', 'drain', 'maint'], { description: 'ready, drain or maint.' })),
    maxConnections: Type.Optional(
      Type.Union([kind.count({ maximum: 1_000_000 }), Type.Null()], {
        description: 'Overrides connections.perServer of the service; 0 = no limit, null = as configured.',
        errorMessage: 'expected a whole number from 0 to 1000000, or null for the configured limit',
      }),
    ),
    ...commandMembers,
  },
  {},
)

interface Params {
  server: string
}

/** Servers by name: reading them, taking them out and in, and their weights and limits. */
export function serverRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control } = context

  const show = (filter: ServerFilter, viewContext: ViewContext): ServerView[] => {
    const servers = findServers(control.state, filter).map(({ service, server }) => ({
      ...viewServer(viewContext, service, server),
      inFlightByInstance: byInstance(viewContext.load, server),
    }))
    const leaving = leavingOf(viewContext, filter).map((server) => ({
      ...viewLeaving(viewContext, server),
      inFlightByInstance: byInstance(viewContext.load, server),
    }))
    return [...servers, ...leaving]
  }

  const list = async (filter: ServerFilter, reply: FastifyReply): Promise<object> => {
    const viewContext = { control, load: await fleetLoadOf(context) }
    const refusal = leavingOf(viewContext, filter).length > 0 ? null : unknownName(control.state, filter)
    if (refusal !== null) throw refusalProblem(refusal)
    const { revision } = control.state
    reply.header('etag', `"${revision}"`)
    const servers = show(filter, viewContext)
    // The order of services differs between the instances of a fleet.
    const byService = (a: ServerView, b: ServerView) => a.service.localeCompare(b.service)
    return { revision, servers: context.fleet.isAlone ? servers : servers.toSorted(byService) }
  }

  const read = (summary: string) => describe({ tag: 'servers', summary, query: ServerQuery, answer: 'Servers' })

  api.get('/api/servers', { schema: read('All servers') }, (request, reply) =>
    list(readInput(ServerQuery, request.query), reply),
  )

  api.get<{ Params: Params }>('/api/servers/:server', { schema: read('Every server of a name') }, (request, reply) =>
    list({ ...readInput(ServerQuery, request.query), server: request.params.server }, reply),
  )

  const change = async (
    request: FastifyRequest<{ Params: Params }>,
    reply: FastifyReply,
    changes: { state?: ServerState; weight?: number | null; maxConnections?: number | null },
    options: WriteOptions,
    schema: typeof ServerWriteQuery | typeof ServerStateQuery = ServerStateQuery,
  ): Promise<object> => {
    const { scope, service, pool, ...query } = { scope: 'fleet', ...readInput(schema, request.query) }
    const filter = {
      server: request.params.server,
      ...(service === undefined ? {} : { service }),
      ...(pool === undefined ? {} : { pool }),
    }
    const command: LocalCommand = { kind: 'server', ...filter, ...changes }
    const carried =
      scope === 'local'
        ? await carryOutHere(context, request, reply, command, { ...options, query })
        : await carryOut(context, request, reply, () => ({ command }), { ...options, query })
    const viewContext = { control, load: await fleetLoadOf(context) }
    const [only, ...others] = new Set(findServers(control.state, filter).map((each) => each.service))
    return answerTo(context, carried, {
      servers: show(filter, viewContext),
      ...(only !== undefined && others.length === 0 ? { service: viewService(viewContext, only) } : {}),
    })
  }

  const write = (summary: string, body: TSchema, query: TSchema, example: object = {}) =>
    describe({ tag: 'servers', summary, body, query, example, answer: 'ServersWritten' })

  const verbs: readonly [string, ServerState, string][] = [
    ['disable', 'drain', 'Take a server out: it gets no new requests, and finishes those in flight'],
    ['drain', 'drain', 'The same as disable'],
    ['enable', 'ready', 'Put a server back in'],
  ]
  for (const [verb, state, summary] of verbs) {
    const schema = write(summary, CommandBody, ServerStateQuery)
    api.post<{ Params: Params }>(`/api/servers/:server/${verb}`, { schema }, (request, reply) =>
      change(request, reply, { state }, readBody(CommandBody, request)),
    )
  }

  const schema = write('Change weight, state and limit', PatchBody, ServerWriteQuery, { weight: 2 })
  api.patch<{ Params: Params }>('/api/servers/:server', { schema }, (request, reply) => {
    const { weight, state, maxConnections, ...options } = readBody(PatchBody, request)
    if (weight === undefined && state === undefined && maxConnections === undefined) {
      const message = 'nothing to change; send {"weight": 2}, {"state": "maint"} or {"maxConnections": 100}'
      throw invalidProblem([{ path: '', message }])
    }
    const changes = {
      ...(state === undefined ? {} : { state }),
      ...(weight === undefined ? {} : { weight }),
      ...(maxConnections === undefined ? {} : { maxConnections }),
    }
    return change(request, reply, changes, options, ServerWriteQuery)
  })
}
