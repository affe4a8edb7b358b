import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import * as kind from '../../config/schema/kinds.ts'
import type { Command } from '../../model/commands.ts'
import type { Server } from '../../model/servers.ts'
import { serversOf } from '../../model/servers.ts'
import type { ServerState, Service } from '../../model/state.ts'
import type { AdminContext } from '../context.ts'
import { commandMembers, readBody, readInput, ServerQuery, WriteQuery } from '../input.ts'
import { describe } from '../openapi.ts'
import { invalidProblem, unknownProblem } from '../problems.ts'
import type { ServerView } from '../views.ts'
import { viewServer, viewService } from '../views.ts'
import { carryOut, type Insistence } from '../write.ts'

const StateBody = kind.section(commandMembers, {})

const PatchBody = kind.section(
  {
    weight: Type.Optional(
      Type.Union([kind.count({ maximum: 1000 }), Type.Null()], {
        description: 'Overrides the configured weight; null = as configured.',
        errorMessage: 'expected a whole number from 0 to 1000, or null for the configured weight',
      }),
    ),
    state: Type.Optional(kind.choice(['ready', 'drain', 'maint'], { description: 'ready, drain or maint.' })),
    maxConnections: Type.Optional(Type.Unknown({ description: 'Not available yet.' })),
    ...commandMembers,
  },
  {},
)

interface Params {
  server: string
}
type Narrowed = { service?: string; pool?: string }

/** Servers by name: their state, their health, and taking them out and in. */
export function serverRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control } = context

  const list = (wanted: Narrowed & { server?: string }): { service: Service; server: Server }[] =>
    Object.values(control.state.services)
      .flatMap((service) => serversOf(service).map((server) => ({ service, server })))
      .filter(
        ({ server }) =>
          (wanted.server === undefined || server.name === wanted.server) &&
          (wanted.service === undefined || server.service === wanted.service) &&
          (wanted.pool === undefined || server.pool === wanted.pool),
      )

  const views = async (wanted: Narrowed & { server?: string }): Promise<ServerView[]> => {
    const report = await control.collect()
    return list(wanted).map(({ service, server }) => viewServer(control, service, server, report))
  }

  const read = (summary: string) => describe({ tag: 'servers', summary, query: ServerQuery })

  api.get('/api/servers', { schema: read('All servers') }, async (request, reply) => {
    const servers = await views(narrowed(request))
    reply.header('etag', `"${control.state.revision}"`)
    return { revision: control.state.revision, servers }
  })

  api.get<{ Params: Params }>(
    '/api/servers/:server',
    { schema: read('Every server of a name') },
    async (request, reply) => {
      const { server } = request.params
      const servers = await views({ ...narrowed(request), server })
      if (servers.length === 0)
        throw unknownProblem('server', server, [...new Set(list({}).map((each) => each.server.name))])
      reply.header('etag', `"${control.state.revision}"`)
      return { revision: control.state.revision, servers }
    },
  )

  const change = async (
    request: FastifyRequest<{ Params: Params }>,
    reply: FastifyReply,
    changes: { state?: ServerState; weight?: number | null },
    insistence: Insistence,
  ): Promise<object> => {
    const wanted = { ...narrowed(request), server: request.params.server }
    const command: Command = { kind: 'server', ...wanted, ...changes }
    const written = await carryOut(context, request, reply, () => ({ command }), insistence)
    const report = await control.collect()
    const touched = list(wanted)
    const services = [...new Set(touched.map(({ service }) => service))]
    const [only] = services
    return {
      ...written,
      servers: touched.map(({ service, server }) => viewServer(control, service, server, report)),
      ...(services.length === 1 && only !== undefined ? { service: viewService(control, only, report) } : {}),
    }
  }

  const verbs: readonly [string, ServerState, string][] = [
    ['disable', 'drain', 'Take a server out: no new requests, those under way finish'],
    ['drain', 'drain', 'The same as disable'],
    ['enable', 'ready', 'Take a server in again'],
  ]
  const written = { ...WriteQuery, properties: { ...ServerQuery.properties, ...WriteQuery.properties } }
  for (const [verb, state, summary] of verbs) {
    const schema = describe({ tag: 'servers', summary, body: StateBody, query: written })
    api.post<{ Params: Params }>(`/api/servers/:server/${verb}`, { schema }, (request, reply) =>
      change(request, reply, { state }, readBody(StateBody, request)),
    )
  }

  const schema = describe({ tag: 'servers', summary: 'Change weight and state', body: PatchBody, query: written })
  api.patch<{ Params: Params }>('/api/servers/:server', { schema }, (request, reply) => {
    const { weight, state, maxConnections, ...insistence } = readBody(PatchBody, request)
    if (maxConnections !== undefined) {
      throw invalidProblem([{ path: 'maxConnections', message: 'not available yet' }])
    }
    if (weight === undefined && state === undefined) {
      throw invalidProblem([{ path: '', message: 'nothing to change; send {"weight": 2} or {"state": "maint"}' }])
    }
    const changes = { ...(state === undefined ? {} : { state }), ...(weight === undefined ? {} : { weight }) }
    return change(request, reply, changes, insistence)
  })
}

function narrowed(request: FastifyRequest): Narrowed {
  const { service, pool } = request.query as Record<string, unknown>
  const { wait: _wait, force: _force, reason: _reason, ...rest } = request.query as Record<string, unknown>
  readInput(ServerQuery, rest)
  return {
    ...(typeof service === 'string' ? { service } : {}),
    ...(typeof pool === 'string' ? { pool } : {}),
  }
}
