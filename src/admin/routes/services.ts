import type { FastifyInstance, FastifyReply } from 'fastify'
import { type TSchema, Type } from 'typebox'
import * as kind from '../../config/schema/kinds.ts'
import { PoolSchema, ServerSchema, ServiceSchema } from '../../config/schema/service.ts'
import { withDefaults } from '../../config/with-defaults.ts'
import type { CommandMaker } from '../../control/controller.ts'
import { defineService, patchService, setPool, setServer } from '../../control/definitions.ts'
import { own } from '../../model/names.ts'
import type { HistoryEntry, JsonObject, JsonValue, Service } from '../../model/state.ts'
import { withoutSecrets } from '../../model/without-secrets.ts'
import type { AdminContext } from '../context.ts'
import { fleetLoadOf } from '../fleet-load.ts'
import { CommandBody, readBody, readInput, WriteQuery } from '../input.ts'
import { describe } from '../openapi.ts'
import { ApiProblem } from '../problems.ts'
import { requireService } from '../require-service.ts'
import { withSecretsOf } from '../secrets.ts'
import type { ServiceView } from '../views.ts'
import { viewService } from '../views.ts'
import type { WriteOptions, Written } from '../write.ts'
import { answerTo, carryOut } from '../write.ts'

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
  {
    limit: kind.text({
      description: 'Max number of entries.',
      default: '100',
      pattern: '^[1-9]\\d{0,3}$',
      errorMessage: 'expected a whole number from 1 to 9999',
    }),
  },
  {},
)

const SERVER_EXAMPLE = { url: 'http://127.0.0.1:9001', weight: 1 }
const POOL_EXAMPLE = { version: '1.0.0', servers: { one: SERVER_EXAMPLE.url } }
const SERVICE_EXAMPLE = { hosts: ['shop.example.com'], pools: { blue: POOL_EXAMPLE } }

/** Services with their pools and servers: reading, defining and removing them. */
export function serviceRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control } = context
  const define = (summary: string, body: TSchema, example: object = {}) => ({
    schema: describe({ tag: 'services', summary, query: WriteQuery, body, example, answer: 'Written' }),
    config: { role: 'admin' as const },
  })

  const all = describe({ tag: 'services', summary: 'All services', answer: 'Services' })
  api.get('/api/services', { schema: all }, async (_request, reply) => {
    const viewContext = { control, load: await fleetLoadOf(context) }
    const { revision, services } = control.state
    reply.header('etag', `"${revision}"`)
    return {
      revision,
      services: inOrder(context, Object.values(services)).map((service) => viewService(viewContext, service)),
    }
  })

  const one = describe({ tag: 'services', summary: 'One service', answer: 'Service' })
  api.get<{ Params: ServiceParams }>('/api/services/:service', { schema: one }, async (request, reply) => {
    const view = await serviceView(context, request.params.service)
    reply.header('etag', `"${view.revision}"`)
    return view
  })

  const defined = describe({
    tag: 'services',
    summary: 'The definition of a service: as written, and with all defaults. Either can be written back by PUT',
    answer: 'Definition',
  })
  api.get<{ Params: ServiceParams }>(
    '/api/services/:service/definition',
    { schema: defined },
    async (request, reply) => {
      const { name, revision, source } = requireService(context, request.params.service)
      const isReadable = control.controller.cannotFollow.every((unreadable) => unreadable.name !== name)
      reply.header('etag', `"${revision}"`)
      return {
        revision,
        service: name,
        written: withoutSecrets(source),
        resolved: isReadable ? withoutSecrets(withDefaults(source)) : null,
      }
    },
  )

  const told = describe({
    tag: 'services',
    summary: 'History of changes with author and reason, newest first',
    query: HistoryQuery,
    answer: 'History',
  })
  api.get<{ Params: ServiceParams }>('/api/services/:service/history', { schema: told }, async (request, reply) => {
    const { limit } = readInput(HistoryQuery, request.query)
    const { service } = request.params
    const history = await context.store.history({ service, limit: Number(limit) })
    // A removed service still has a history.
    if (history.length === 0) requireService(context, service)
    const { revision } = control.state
    reply.header('etag', `"${revision}"`)
    return { revision, history: history.map(withoutSecretsInEntry) }
  })

  const write = async (
    request: Parameters<typeof carryOut>[1],
    reply: FastifyReply,
    name: string,
    make: CommandMaker,
    options: WriteOptions = {},
  ): Promise<Written & { service: ServiceView | null }> => {
    const carried = await carryOut(context, request, reply, make, options)
    return answerTo(context, carried, { service: await serviceViewOrNull(context, name) })
  }

  api.put<{ Params: ServiceParams }>(
    '/api/services/:service',
    define('Create or replace a service', ServiceSchema, SERVICE_EXAMPLE),
    (request, reply) => {
      const { service } = request.params
      const source = jsonObject(request.body)
      const make: CommandMaker = (state, ...rest) =>
        defineService(service, withSecretsOf(source, own(state.services, service)?.source))(state, ...rest)
      return write(request, reply, service, make)
    },
  )
  api.patch<{ Params: ServiceParams }>(
    '/api/services/:service',
    define('Change parts of a service (merge patch, RFC 7396)', Type.Object({}, { additionalProperties: true }), {
      balance: 'roundRobin',
    }),
    (request, reply) => {
      const { service } = request.params
      const patch = jsonObject(request.body)
      const make: CommandMaker = (state, ...rest) =>
        patchService(service, withSecretsOf(patch, own(state.services, service)?.source))(state, ...rest)
      return write(request, reply, service, make)
    },
  )
  api.delete<{ Params: ServiceParams }>(
    '/api/services/:service',
    define('Remove a service', CommandBody),
    (request, reply) => {
      const { service } = request.params
      const command = { kind: 'remove' as const, service }
      return write(request, reply, service, () => ({ command }), readBody(CommandBody, request))
    },
  )
  api.put<{ Params: PoolParams }>(
    '/api/services/:service/pools/:pool',
    define('Create or replace a pool', PoolSchema, POOL_EXAMPLE),
    (request, reply) => {
      const { service, pool } = request.params
      const definition = jsonObject(request.body)
      readInput(PoolSchema, definition)
      return write(request, reply, service, setPool(service, pool, definition))
    },
  )
  api.delete<{ Params: PoolParams }>(
    '/api/services/:service/pools/:pool',
    define('Drain and remove a pool', CommandBody),
    (request, reply) => {
      const { service, pool } = request.params
      return write(request, reply, service, setPool(service, pool, null), readBody(CommandBody, request))
    },
  )
  api.put<{ Params: ServerParams }>(
    '/api/services/:service/pools/:pool/servers/:server',
    define('Create or replace a server', ServerSchema, SERVER_EXAMPLE),
    (request, reply) => {
      const { service, pool, server } = request.params
      readInput(ServerSchema, request.body)
      return write(request, reply, service, setServer(service, pool, server, request.body as JsonValue))
    },
  )
  api.delete<{ Params: ServerParams }>(
    '/api/services/:service/pools/:pool/servers/:server',
    define('Drain and remove a server', CommandBody),
    (request, reply) => {
      const { service, pool, server } = request.params
      return write(request, reply, service, setServer(service, pool, server, null), readBody(CommandBody, request))
    },
  )
}

/** Services in the order of their definition; in a fleet by name, since that order differs between instances. */
function inOrder({ fleet }: AdminContext, services: readonly Service[]): readonly Service[] {
  return fleet.isAlone ? services : services.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** The current view of a service. Throws 404. */
async function serviceView(context: AdminContext, name: string): Promise<ServiceView> {
  requireService(context, name)
  const viewContext = { control: context.control, load: await fleetLoadOf(context) }
  return viewService(viewContext, requireService(context, name))
}

/** The current view of a service; null = unknown name. */
export async function serviceViewOrNull(context: AdminContext, name: string): Promise<ServiceView | null> {
  const viewContext = { control: context.control, load: await fleetLoadOf(context) }
  const service = own(context.control.state.services, name)
  return service === undefined ? null : viewService(viewContext, service)
}

function withoutSecretsInEntry(entry: HistoryEntry): HistoryEntry {
  return { ...entry, from: withoutSecrets(entry.from), to: withoutSecrets(entry.to) }
}

function jsonObject(body: unknown): JsonObject {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as JsonObject
  throw new ApiProblem(400, 'A body is needed', 'Send the definition as a JSON object.')
}
