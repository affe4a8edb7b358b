import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import httpProxy from '@fastify/http-proxy'
import type { SwaggerTransform } from '@fastify/swagger'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { own } from '../../model/names.ts'
import { serversOf } from '../../model/servers.ts'
import { asHttp } from '../../model/server-url.ts'
import type { Service } from '../../model/state.ts'
import { cameByHttps, isInProcess, showsOurToken } from '../auth.ts'
import type { AdminContext } from '../context.ts'
import { describe } from '../openapi.ts'
import type { PreviewAccess } from '../preview-access.ts'
import { confined, cookieField } from '../preview-cookies.ts'
import { PreviewEndpoints } from '../preview-endpoints.ts'
import { fieldsAsByDataPlane, withSlash } from '../preview-fields.ts'
import { SESSION_COOKIE } from '../preview-sessions.ts'
import { ApiProblem, unknownProblem } from '../problems.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The target of a preview: the server's URL, and the service at that time. */
    preview: { readonly url: string; readonly service: Service } | null
  }
}

interface Params {
  service: string
  pool: string
}

/** Fields of an app's answer that would affect other pages of this origin, or of this host. */
const NOT_PASSED_ON = ['clear-site-data', 'strict-transport-security', 'public-key-pins']

/** Documents the preview as one path for all methods. */
const documentedPreview: SwaggerTransform = ({ url }) => {
  const schema = describe({ tag: 'traffic', summary: 'Reach a pool that gets no traffic, to test it before a switch' })
  return { schema: { ...schema, hide: !url.endsWith('*') }, url: url.replace('*', ':path') }
}

/** Rewrites a redirect of the server to stay within the preview, if it names no host. */
function withinPreview(location: string, { service, pool }: Params): string {
  return /^\/(?!\/)/.test(location) ? `/preview/${service}/${pool}${location}` : location
}

/** Finds a pool of a service. Throws 404. */
export function requirePool({ control }: AdminContext, name: string, pool: string): Service {
  const { services } = control.state
  const service = own(services, name)
  if (service === undefined) throw unknownProblem('service', name, Object.keys(services))
  if (own(service.spec.pools, pool) === undefined) throw unknownProblem('pool', pool, Object.keys(service.spec.pools))
  return service
}

/** The origin of a request for a preview: the admin API, or the origin of previews. */
export type PreviewOrigin = 'admin' | 'own'

/**
 * Passes requests to a pool that gets no traffic, to test it before a switch. Its answers are foreign to the admin API: there, a
 * browser is redirected to the origin of previews, or runs the page in a sandbox if there is none. Tokens and cookies of
 * Cutover are not passed on.
 */
export function previewRoutes(
  app: FastifyInstance,
  context: AdminContext,
  access: PreviewAccess,
  origin: PreviewOrigin,
): void {
  const { tokens } = context.settings
  const endpoints = new PreviewEndpoints()
  let turn = 0
  app.decorateRequest('preview', null)
  app.addHook('onRoute', (route) => {
    // Bodies are passed on as they arrive; the server limits their size.
    route.bodyLimit = Number.MAX_SAFE_INTEGER
  })

  const pick = (request: FastifyRequest): NonNullable<FastifyRequest['preview']> => {
    const { service: name, pool } = request.params as Params
    const service = requirePool(context, name, pool)
    const servers = serversOf(service, pool).filter(({ state }) => state !== 'maint')
    const up = servers.filter(({ key }) => context.control.health(key).health === 'up')
    const usable = up.length > 0 ? up : servers
    const server = usable[turn++ % Math.max(1, usable.length)]
    if (server === undefined)
      throw new ApiProblem(503, 'No server', `Pool ${pool} of ${name} has no server to preview.`)
    endpoints.learn(server.url, server.tls)
    return { url: asHttp(server.url), service }
  }

  /** Cookies for the app: those that it has set in this browser; without a browser session, all that were sent. */
  const isOfApp = (name: string, { previewSession, headers }: FastifyRequest): boolean => {
    if (name === SESSION_COOKIE) return false
    return previewSession === null ? headers['sec-fetch-site'] === undefined : previewSession.cookies.has(name)
  }

  /** Removes every token that is or may be one of Cutover. */
  const mayForwardAuthorization = (request: FastifyRequest): boolean => {
    if (request.headers.authorization === undefined || showsOurToken(request, tokens, context.fleetToken)) return false
    return tokens.length === 0 || request.previewSession !== null
  }

  const forwarded = (request: FastifyRequest, headers: IncomingHttpHeaders): IncomingHttpHeaders => {
    if (request.preview === null) return headers
    return fieldsAsByDataPlane(request.preview.service.spec, {
      headers,
      askedHost: request.headers.host ?? '',
      address: isInProcess(request) ? undefined : request.socket.remoteAddress,
      isHttps: cameByHttps(request, context.settings),
      listen: context.file.config.proxy.listen,
    })
  }

  const ownCookie = (setCookie: string, { previewSession }: FastifyRequest, prefix: string): string[] => {
    const [name = ''] = setCookie.split('=')
    if (name.trim() === SESSION_COOKIE) return []
    if (previewSession !== null) access.sessions.learn(previewSession, name.trim())
    return [confined(setCookie, prefix)]
  }

  void app.register(httpProxy, {
    prefix: '/preview/:service/:pool',
    rewritePrefix: '/',
    upstream: '',
    disableRequestLogging: true,
    undici: { connect: endpoints.connect },
    config: { swaggerTransform: documentedPreview, role: 'operate', streamsBody: true },
    // The library would prepend the pattern of the path instead of the path.
    internalRewriteLocationHeader: false,
    preRewrite: (url) => withSlash(url),
    preHandler: (request, reply, done) => {
      request.preview = pick(request)
      const isPage = request.method === 'GET' && request.headers['sec-fetch-mode'] === 'navigate'
      const url = withSlash(request.url)
      const link = origin === 'admin' && isPage ? access.link(request, url) : null
      if (link !== null) reply.header('cache-control', 'no-store').redirect(link.url, 303)
      else if (isPage && url !== request.url) reply.redirect(url, 308)
      else done()
    },
    replyOptions: {
      getUpstream: (request) => (request as FastifyRequest).preview?.url ?? '',
      // The library would repeat a GET that is answered 503 ten times; a preview shows the server's answer.
      retryDelay: () => null,
      rewriteRequestHeaders: (raw, headers) => {
        const request = raw as FastifyRequest
        const { cookie, authorization, ...kept } = forwarded(request, headers)
        const field = cookieField(cookie, (name) => isOfApp(name, request))
        if (field !== undefined) kept.cookie = field
        if (mayForwardAuthorization(request)) kept.authorization = authorization
        return kept
      },
      rewriteHeaders: (headers, raw) => {
        const { connection, 'keep-alive': _keepAlive, location, 'set-cookie': set = [], ...rest } = headers
        for (const name of [...String(connection ?? '').split(','), ...NOT_PASSED_ON])
          delete rest[name.trim().toLowerCase()]
        const request = raw as FastifyRequest<{ Params: Params }>
        const { service, pool } = request.params
        const setCookies = [set].flat().flatMap((each) => ownCookie(each, request, `/preview/${service}/${pool}`))
        return {
          ...rest,
          ...(location === undefined ? {} : { location: withinPreview(location, request.params) }),
          ...(setCookies.length === 0 ? {} : { 'set-cookie': setCookies }),
          ...(origin === 'admin' ? { 'content-security-policy': 'sandbox allow-scripts allow-forms' } : {}),
        }
      },
      onResponse: (_request, reply, response) => {
        const { stream } = response as unknown as { stream: Readable }
        if (reply.statusCode !== 304) return void reply.send(stream)
        // A 304 may have the length of the body that it does not have, and the library's client would wait for that.
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
