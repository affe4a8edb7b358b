import { hostname } from 'node:os'
import type { Readable } from 'node:stream'
import httpProxy from '@fastify/http-proxy'
import type { SwaggerTransform } from '@fastify/swagger'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { quote } from '../../config/problems.ts'
import type { Member } from '../../control/fleet/members.ts'
import { ACTOR_HEADER, FOR_HEADER, ROLE_HEADER } from '../auth.ts'
import type { AdminContext } from '../context.ts'
import { describe } from '../openapi.ts'
import { ApiProblem, unknownProblem } from '../problems.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The instance to pass a call to, and the message if that fails. */
    handOver: { readonly id: string; readonly url: string; readonly failing: string }
  }
}

/** Hosts that mean a different machine on every machine. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

/** Fields that concern one hop, or a browser's page at this instance, and are not passed on. */
const NOT_HANDED_ON = [
  ...['expect', 'keep-alive', 'te', 'trailer', 'proxy-authorization', 'proxy-connection', 'upgrade'],
  ...['origin', 'cookie', 'referer', ACTOR_HEADER, ROLE_HEADER, FOR_HEADER],
]

const documentedHandOver: SwaggerTransform = ({ url }) => {
  const schema = describe({
    tag: 'instance',
    summary: "Pass a call on to another instance's admin API, to the rest of the path under /api",
  })
  return { schema: { ...schema, hide: !url.endsWith('*') }, url: url.replace('*', ':path') }
}

/** Finds an instance by its id, or by its name if only one live instance has it. Throws 404 and 409. */
export function instanceOf({ fleet, self }: AdminContext, wanted: string): Member | 'self' {
  const { id, name } = self
  if (wanted === id) return 'self'
  const others = fleet.others()
  const byId = others.find(({ record }) => record.id === wanted)
  if (byId !== undefined) return byId
  const named = others.filter(({ record, live }) => live && record.name === wanted)
  const count = named.length + (wanted === name ? 1 : 0)
  if (count > 1) {
    const detail = `${count} instances have the name ${quote(wanted)}; use an id, see GET /api/instances.`
    throw new ApiProblem(409, 'Ambiguous name', detail)
  }
  const [only] = named
  if (only !== undefined) return only
  if (count === 1) return 'self'
  throw unknownProblem('instance', wanted, [name, ...others.map(({ record }) => record.name)])
}

/** Passes calls on to the admin API of any instance of the fleet: `/api/instances/{id}/…` becomes `/api/…` there. */
export function handOverRoutes(app: FastifyInstance, context: AdminContext): void {
  const { fleet, fleetToken, settings, self } = context
  app.decorateRequest('handOver')

  const target = (request: FastifyRequest): FastifyRequest['handOver'] => {
    const found = instanceOf(context, (request.params as { id: string }).id)
    const { id, name, host, address } = found === 'self' ? self.record() : found.record
    const isGone = found !== 'self' && !found.live
    // An instance that is only cut off from the store may still answer; but another process may have its address by now, and
    // must not see a token.
    const failing = isGone
      ? `${name} was last heard of at ${fleet.lastSeen(found).toISOString()}; it is gone.`
      : `${name} could not be reached, or broke off.`
    if (isGone && settings.tokens.length > 0) throw new ApiProblem(502, 'Instance gone', failing)
    if (!URL.canParse(address) || !address.startsWith('http://')) {
      const detail = `The address of the admin API of ${name} is unknown; set fleet.address there.`
      throw new ApiProblem(502, 'Instance out of reach', detail)
    }
    if (host !== hostname() && LOOPBACK.test(new URL(address).hostname)) {
      const detail = `The admin API of ${name} listens only on its own machine, ${host}; set admin.listen or fleet.address.`
      throw new ApiProblem(502, 'Instance out of reach', detail)
    }
    return { id, url: address, failing }
  }

  void app.register(httpProxy, {
    prefix: '/api/instances/:id',
    rewritePrefix: '/api',
    routes: ['/*'],
    upstream: '',
    disableRequestLogging: true,
    // A call with ?wait= may take an hour.
    undici: { headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 5_000 } },
    config: { swaggerTransform: documentedHandOver, role: 'read', streamsBody: true },
    internalRewriteLocationHeader: false,
    preHandler: (request, _reply, done) => {
      request.handOver = target(request)
      done()
    },
    replyOptions: {
      getUpstream: (request) => (request as FastifyRequest).handOver.url,
      // The library repeats a GET answered 503 ten times.
      retryDelay: () => null,
      rewriteRequestHeaders: (request, headers) => {
        const kept = { ...headers }
        for (const name of NOT_HANDED_ON) delete kept[name]
        kept[FOR_HEADER] = (request as FastifyRequest).handOver.id
        if (fleetToken === null || settings.tokens.length === 0) return kept
        const { name, role } = (request as FastifyRequest).actor
        return { ...kept, authorization: `Bearer ${fleetToken}`, [ACTOR_HEADER]: name, [ROLE_HEADER]: role }
      },
      rewriteHeaders: ({ connection: _, 'keep-alive': __, ...rest }) => rest,
      onResponse: (_request, reply, response) => {
        const { stream } = response as unknown as { stream: Readable }
        reply.send(stream)
      },
      onError: (reply, { error }) => {
        context.log.warn({ err: error }, 'a call could not be passed on to another instance')
        // The library types it as a reply of a raw server.
        const failed = reply as unknown as FastifyReply
        const problem = new ApiProblem(502, 'Instance out of reach', failed.request.handOver.failing)
        failed.code(502).type('application/problem+json').send(JSON.stringify(problem))
      },
    },
  })
}
