import type { Readable } from 'node:stream'
import httpProxy from '@fastify/http-proxy'
import type { SwaggerTransform } from '@fastify/swagger'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { own } from '../../model/names.ts'
import { serversOf } from '../../model/servers.ts'
import type { AdminContext } from '../context.ts'
import { describe } from '../openapi.ts'
import { ApiProblem, unknownProblem } from '../problems.ts'

declare module 'fastify' {
  interface FastifyRequest {
    previewUrl: string
  }
}

interface Params {
  service: string
  pool: string
}

/** Fields that concern one hop, or that the libraries below cannot forward. */
const NOT_FORWARDED = ['expect', 'keep-alive', 'te', 'trailer', 'proxy-authorization', 'proxy-connection', 'upgrade']

/** In the document the preview is one path, whatever the method. */
const documentedPreview: SwaggerTransform = ({ url }) => {
  const schema = describe({ tag: 'traffic', summary: 'Reach a pool that gets no traffic, to test it before a switch' })
  return { schema: { ...schema, hide: !url.endsWith('*') }, url: url.replace('*', ':path') }
}

/** Where a redirect of the server leads: on within the preview, if it names no host. */
function withinPreview(location: string, { service, pool }: Params): string {
  return /^\/(?!\/)/.test(location) ? `/preview/${service}/${pool}${location}` : location
}

/**
 * Reaches a pool that gets no traffic, to test it before a switch. What it answers is foreign to this API: it runs in a
 * sandbox of its own in a browser, and the token that opened it stays here.
 */
export function previewRoutes(app: FastifyInstance, context: AdminContext): void {
  let turn = 0
  app.decorateRequest('previewUrl', '')
  app.addHook('onRoute', (route) => {
    // Bodies are passed on as they come; how large they may be is the server's business.
    route.bodyLimit = Number.MAX_SAFE_INTEGER
  })

  const pick = (request: FastifyRequest): string => {
    const { service: name, pool } = request.params as Params
    const { services } = context.control.state
    const service = own(services, name)
    if (service === undefined) throw unknownProblem('service', name, Object.keys(services))
    if (own(service.spec.pools, pool) === undefined) {
      throw unknownProblem('pool', pool, Object.keys(service.spec.pools))
    }
    const servers = serversOf(service, pool).filter(({ state }) => state !== 'maint')
    const up = servers.filter(({ key }) => context.control.health(key).health === 'up')
    const usable = up.length > 0 ? up : servers
    const server = usable[turn++ % Math.max(1, usable.length)]
    if (server === undefined)
      throw new ApiProblem(503, 'No server', `Pool ${pool} of ${name} has no server to preview.`)
    return server.url
  }

  void app.register(httpProxy, {
    prefix: '/preview/:service/:pool',
    rewritePrefix: '/',
    upstream: '',
    disableRequestLogging: true,
    // The library does not verify certificates unless told to.
    undici: { connect: { rejectUnauthorized: true } },
    config: { swaggerTransform: documentedPreview, role: 'operate', streamsBody: true },
    // The library would put the pattern of the path in front, not the path.
    internalRewriteLocationHeader: false,
    preHandler: (request, _reply, done) => {
      request.previewUrl = pick(request)
      done()
    },
    replyOptions: {
      getUpstream: (request) => (request as FastifyRequest).previewUrl,
      // The library repeats a GET answered 503 ten times; a preview shows what the server says.
      retryDelay: () => null,
      rewriteRequestHeaders: (_request, headers) => {
        const kept = { ...headers }
        for (const name of NOT_FORWARDED) delete kept[name]
        if (context.settings.tokens.length > 0) delete kept.authorization
        return kept
      },
      rewriteHeaders: (headers, request) => {
        const { connection, 'keep-alive': _keepAlive, location, ...rest } = headers
        for (const name of String(connection ?? '').split(',')) delete rest[name.trim().toLowerCase()]
        const there = location === undefined ? {} : { location: withinPreview(location, request?.params as Params) }
        return { ...rest, ...there, 'content-security-policy': 'sandbox allow-scripts allow-forms' }
      },
      onResponse: (_request, reply, response) => {
        const { stream } = response as unknown as { stream: Readable }
        if (reply.statusCode !== 304) return void reply.send(stream)
        // A 304 may say how long the body would be, which the library's client then waits for in vain.
        stream.on('error', () => undefined).destroy()
        reply.removeHeader('content-length')
        reply.send()
      },
      onError: (reply, { error }) => {
        const status = /timeout/i.test(`${error.name} ${error.message}`) ? 504 : 502
        const detail = status === 504 ? 'The server took too long.' : 'The server could not be reached, or broke off.'
        const problem = new ApiProblem(status, 'Preview failed', detail)
        ;(reply as unknown as { code(status: number): { type(type: string): { send(body: unknown): void } } })
          .code(status)
          .type('application/problem+json')
          .send(JSON.stringify(problem))
      },
    },
  })
}
