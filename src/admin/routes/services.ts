import type { FastifyInstance, FastifyReply } from 'fastify'
import { type TSchema, Type } from 'typebox'
import * as kind from '../../config/schema/kinds.ts'
import { PoolSchema, ServerSchema, ServiceSchema } from '../../config/schema/service.ts'
import type { CommandMaker } from '../../control/controller.ts'
import { defineService, patchService, setPool, setServer } from '../../control/definitions.ts'
import { own } from '../../model/names.ts'
import type { JsonObject, JsonValue, Service } from '../../model/state.ts'
import type { AdminContext } from '../context.ts'
import { readInput, WriteQuery } from '../input.ts'
import { describe } from '../openapi.ts'
import { ApiProblem, unknownProblem } from '../problems.ts'
import type { ServiceView } from '../views.ts'
import { viewService } from '../views.ts'
import { carryOut, requestOf, type Written } from '../write.ts'

interface ServiceParams {
  service: string
}
interface PoolParams extends ServiceParams {
  pool: string
}
interface ServerParams extends PoolParams {
  server: string
}

const HistoryQuery = kind.section(
  { limit: kind.text({ description: 'At most this many entries.', default: '100', pattern: '^[1-9]\\d{0,3}$' }) },
  {},
)

/** Services, their pools and their servers: what there is, and what defines them. */
export function serviceRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control } = context
  const read = (summary: string, query?: TSchema) =>
    describe({ tag: 'services', summary, ...(query === undefined ? {} : { query }) })
  const define = (summary: string, body?: TSchema) => ({
    schema: describe({ tag: 'services', summary, query: WriteQuery, ...(body === undefined ? {} : { body }) }),
    config: { role: 'admin' as const },
  })

  api.get('/api/services', { schema: read('All services') }, async (_request, reply) => {
    const report = await control.collect()
    const { revision, services } = control.state
    reply.header('etag', `"${revision}"`)
    return { revision, services: Object.values(services).map((service) => viewService(control, service, report)) }
  })

  api.get<{ Params: ServiceParams }>(
    '/api/services/:service',
    { schema: read('One service') },
    async (request, reply) => {
      const view = await serviceView(context, request.params.service)
      reply.header('etag', `"${view.revision}"`)
      return view
    },
  )

  api.get<{ Params: ServiceParams }>(
    '/api/services/:service/history',
    { schema: read('Who changed what, when and why; newest first', HistoryQuery) },
    async (request) => {
      const { limit } = readInput(HistoryQuery, request.query)
      const { service } = request.params
      const history = await context.store.history({ service, limit: Number(limit) })
      // A service that was removed has a history still.
      if (history.length === 0) requireService(context, service)
      return { revision: control.state.revision, history }
    },
  )

  const write = async (
    request: Parameters<typeof carryOut>[1],
    reply: FastifyReply,
    name: string,
    make: CommandMaker,
  ): Promise<Written & { service: ServiceView | null }> => {
    const written = await carryOut(context, request, reply, make)
    return { ...written, service: await serviceViewOrNull(context, name) }
  }

  api.put<{ Params: ServiceParams }>(
    '/api/services/:service',
    define('Create or replace a service', ServiceSchema),
    (request, reply) => {
      const { service } = request.params
      return write(request, reply, service, defineService(service, jsonObject(request.body)))
    },
  )
  api.patch<{ Params: ServiceParams }>(
    '/api/services/:service',
    define('Change parts of a service (merge patch, RFC 7396)', Type.Object({}, { additionalProperties: true })),
    (request, reply) => {
      const { service } = request.params
      return write(request, reply, service, patchService(service, jsonObject(request.body)))
    },
  )
  api.delete<{ Params: ServiceParams }>('/api/services/:service', define('Remove a service'), (request, reply) => {
    const { service } = request.params
    return write(request, reply, service, () => ({ command: { kind: 'remove', service } }))
  })
  api.put<{ Params: PoolParams }>(
    '/api/services/:service/pools/:pool',
    define('Create or replace a pool', PoolSchema),
    (request, reply) => {
      const { service, pool } = request.params
      const definition = jsonObject(request.body)
      readInput(PoolSchema, definition)
      return write(request, reply, service, setPool(service, pool, definition, false))
    },
  )
  api.delete<{ Params: PoolParams }>(
    '/api/services/:service/pools/:pool',
    define('Drain and remove a pool'),
    (request, reply) => {
      const { service, pool } = request.params
      return write(request, reply, service, setPool(service, pool, null, requestOf(request).force))
    },
  )
  api.put<{ Params: ServerParams }>(
    '/api/services/:service/pools/:pool/servers/:server',
    define('Create or replace a server', ServerSchema),
    (request, reply) => {
      const { service, pool, server } = request.params
      readInput(ServerSchema, request.body)
      return write(request, reply, service, setServer(service, pool, server, request.body as JsonValue))
    },
  )
  api.delete<{ Params: ServerParams }>(
    '/api/services/:service/pools/:pool/servers/:server',
    define('Drain and remove a server'),
    (request, reply) => {
      const { service, pool, server } = request.params
      return write(request, reply, service, setServer(service, pool, server, null))
    },
  )
}

/** A service as it is now. Throws 404. */
export async function serviceView(context: AdminContext, name: string): Promise<ServiceView> {
  requireService(context, name)
  const report = await context.control.collect()
  return viewService(context.control, requireService(context, name), report)
}

async function serviceViewOrNull(context: AdminContext, name: string): Promise<ServiceView | null> {
  const report = await context.control.collect()
  const service = own(context.control.state.services, name)
  return service === undefined ? null : viewService(context.control, service, report)
}

function requireService(context: AdminContext, name: string): Service {
  const { services } = context.control.state
  const service = own(services, name)
  if (service === undefined) throw unknownProblem('service', name, Object.keys(services))
  return service
}

function jsonObject(body: unknown): JsonObject {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as JsonObject
  throw new ApiProblem(400, 'A body is needed', 'Send the definition as a JSON object.')
}
