import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { fastify } from 'fastify'
import type { Role } from '../config/config.ts'
import { clipped } from '../config/problems.ts'
import { OutcomeUnknown, StoreUnavailable, StoreUnwritable } from '../store/store.ts'
import type { Actor } from './auth.ts'
import { refuseForeign, refuseMisdirected } from './auth.ts'
import type { AdminContext } from './context.ts'
import { Gate } from './gate.ts'
import { keepAnswers } from './idempotency.ts'
import { parseJsonBody } from './json-body.ts'
import { documented } from './openapi.ts'
import { ApiProblem } from './problems.ts'
import { configRoutes } from './routes/config.ts'
import { handOverRoutes } from './routes/hand-over.ts'
import { healthRoutes } from './routes/health.ts'
import { instanceRoutes } from './routes/instances.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { overrideRoutes } from './routes/overrides.ts'
import { previewRoutes } from './routes/preview.ts'
import { serverRoutes } from './routes/servers.ts'
import { serviceRoutes } from './routes/services.ts'
import { trafficRoutes } from './routes/traffic.ts'
import { workerRoutes } from './routes/workers.ts'
import { markStale } from './stale.ts'

declare module 'fastify' {
  interface FastifyRequest {
    actor: Actor
  }
  interface FastifyContextConfig {
    /** The least role that may ask; `none`: anyone, without a token. Otherwise reads need `read`, writes `operate`. */
    role?: Role | 'none'
    /** The body is passed on as it comes, however long that takes. */
    streamsBody?: boolean
  }
}

const MAX_BODY_BYTES = 1024 * 1024
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD'])

/** The admin API, not yet listening. */
export async function buildAdmin(context: AdminContext): Promise<FastifyInstance> {
  const gate = new Gate(context)
  const app = fastify({
    serverFactory: (handler) => gate.connections.serve(handler),
    // A URL that cannot be read is refused before there is a route, and with it an error handler.
    frameworkErrors: (error, _request, reply) => void sendProblem(context, reply, error),
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 500 },
  })
  // Input is read by our own schemas, which explain what is wrong; Fastify's are for the documentation.
  app.setValidatorCompiler(() => (value) => ({ value }))
  app.setSerializerCompiler(() => (value) => JSON.stringify(value))
  app.decorateRequest('actor')
  // Fastify closes only servers that it has told to listen itself.
  app.addHook('preClose', (done) => {
    app.server.close(() => done())
    app.server.closeAllConnections()
  })
  app.addHook('onRequest', async (request, reply) => {
    refuseForeign(request, context.settings)
    refuseMisdirected(request, context.self.id)
    const { role, streamsBody } = request.routeOptions.config
    const needed = role ?? (READS.has(request.method) ? 'read' : 'operate')
    if (needed === 'none') return
    gate.admit(request, reply, needed, streamsBody === true)
  })
  app.setErrorHandler((error: FastifyError, _request, reply) => sendProblem(context, reply, error))
  app.setNotFoundHandler((request, reply) => sendProblem(context, reply, notFound(request)))

  await app.register(swagger, documented(context.version))
  await app.register(documentation)
  await app.register(async (api) => {
    takeJsonOnly(api)
    keepAnswers(api, context)
    markStale(api, context)
    serviceRoutes(api, context)
    trafficRoutes(api, context)
    serverRoutes(api, context)
    configRoutes(api, context)
    healthRoutes(api, context)
    instanceRoutes(api, context)
    overrideRoutes(api, context)
    workerRoutes(api, context)
    metricsRoutes(api, context, gate)
  })
  await app.register(async (preview) => previewRoutes(preview, context))
  await app.register(async (others) => handOverRoutes(others, context))
  await app.ready()
  return app
}

/** What there is, and a page to try it: no secrets, and a browser has no token to send before the page is there. */
async function documentation(docs: FastifyInstance): Promise<void> {
  docs.addHook('onRoute', (route) => {
    route.config = { ...route.config, role: 'none' }
  })
  await docs.register(swaggerUi, { routePrefix: '/docs', staticCSP: true })
  docs.get('/api/openapi.json', { schema: { hide: true } }, () => docs.swagger())
}

/** Bodies are JSON or nothing; a POST without a body is as good as `{}`. */
function takeJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    { parseAs: 'string' },
    (_request, body, done) => {
      if (body === '') return done(null, undefined)
      try {
        done(null, parseJsonBody(String(body)))
      } catch (error) {
        done(error as ApiProblem)
      }
    },
  )
  app.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined)
    done(notJson(request))
  })
}

function sendProblem(context: AdminContext, reply: FastifyReply, error: FastifyError | ApiProblem): FastifyReply {
  const problem = problemOf(reply.request, error)
  if (problem.status === 500) context.log.error({ err: error }, 'a request to the admin API failed')
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="cutover"')
  if (problem.status === 503) reply.header('retry-after', '1')
  return reply.code(problem.status).type('application/problem+json').send(problem.toJSON())
}

function problemOf(request: FastifyRequest, error: FastifyError | ApiProblem): ApiProblem {
  if (error instanceof ApiProblem) return error
  if (error instanceof OutcomeUnknown) {
    const detail = `${sentence(error.message)} The change may have been made or not: look when the store is back. Repeating it is safe with the same Idempotency-Key.`
    return new ApiProblem(503, 'Outcome unknown', detail)
  }
  if (error instanceof StoreUnwritable) {
    const detail = `${sentence(error.message)} Nothing was changed. To change this instance alone meanwhile: ?scope=local on switch, drain and enable.`
    return new ApiProblem(503, 'The store takes no changes', detail)
  }
  if (error instanceof StoreUnavailable) {
    const detail = `${sentence(error.message)} Nothing was changed; try again. To change this instance alone meanwhile: ?scope=local on switch, drain and enable.`
    return new ApiProblem(503, 'The store is away', detail)
  }
  const status = error.statusCode ?? 500
  if (status === 413) return new ApiProblem(413, 'Body too large', `A body may have at most ${MAX_BODY_BYTES} bytes.`)
  if (status === 415) return notJson(request)
  if (status >= 400 && status < 500) return new ApiProblem(status, 'Bad request', error.message)
  return new ApiProblem(500, 'Internal error', 'This should not have happened; the log says more.')
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`.replace(/\.\.$/, '.')
}

function notJson({ headers }: FastifyRequest): ApiProblem {
  const type = clipped(headers['content-type'] ?? 'without a content type', 100)
  const detail = `The body must be JSON, not ${type}: send -H 'content-type: application/json', or use curl --json.`
  return new ApiProblem(415, 'Unexpected content type', detail)
}

function notFound(request: FastifyRequest): ApiProblem {
  const path = clipped(request.url.split('?')[0] ?? '', 200)
  return new ApiProblem(404, 'Not found', `There is no ${request.method} ${path} here; /docs shows what there is.`)
}
