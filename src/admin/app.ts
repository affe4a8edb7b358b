import type { AddressInfo } from 'node:net'
import swagger from '@fastify/swagger'
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify'
import { fastify } from 'fastify'
import type { Role } from '../config/config.ts'
import { clipped } from '../config/problems.ts'
import { AllowedMethods } from './allowed-methods.ts'
import type { Actor } from './auth.ts'
import { refuseForeign, refuseMisdirected } from './auth.ts'
import { closeServer } from './connections.ts'
import type { AdminContext } from './context.ts'
import { dashboard } from './dashboard.ts'
import { documentation } from './docs-page.ts'
import { EventReaders } from './events/event-readers.ts'
import { MAX_BODY_BYTES, notJson, sendProblem } from './failures.ts'
import { Gate } from './gate.ts'
import { keepAnswers } from './idempotency.ts'
import { refuseQuery } from './input.ts'
import { parseJsonBody } from './json-body.ts'
import { documented } from './openapi.ts'
import { PreviewAccess } from './preview-access.ts'
import { buildPreview } from './preview-app.ts'
import { ApiProblem } from './problems.ts'
import { certificateRoutes } from './routes/certificates.ts'
import { configRoutes } from './routes/config.ts'
import { deployRoutes } from './routes/deploy.ts'
import { eventRoutes } from './routes/events.ts'
import { explainRoutes } from './routes/explain.ts'
import { freezeRoutes } from './routes/freeze.ts'
import { gateLinkRoutes } from './routes/gate-links.ts'
import { handOverRoutes } from './routes/hand-over.ts'
import { healthRoutes } from './routes/health.ts'
import { instanceRoutes } from './routes/instances.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { overrideRoutes } from './routes/overrides.ts'
import { pausingRoutes } from './routes/pausing.ts'
import { previewRoutes } from './routes/preview.ts'
import { previewLinkRoutes } from './routes/preview-links.ts'
import { rolloutRoutes } from './routes/rollouts.ts'
import { serverRoutes } from './routes/servers.ts'
import { serviceRoutes } from './routes/services.ts'
import { statsRoutes } from './routes/stats.ts'
import { trafficRoutes } from './routes/traffic.ts'
import { whoamiRoutes } from './routes/whoami.ts'
import { workerRoutes } from './routes/workers.ts'
import { markStale } from './stale.ts'

declare module 'fastify' {
  interface FastifyRequest {
    actor: Actor
  }
  interface FastifyContextConfig {
    /** The min role; `none`: no token needed. Default: `read` for reads, `operate` for writes. */
    role?: Role | 'none'
    /** The body is passed on as it arrives, without a time limit for the whole. */
    streamsBody?: boolean
  }
}

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD'])

/** The admin API, and the origin of previews; null = not configured. */
export interface Admin {
  readonly api: FastifyInstance
  readonly preview: FastifyInstance | null
}

/** Builds the admin API and the origin of previews, not yet listening. */
export async function buildAdmin(context: AdminContext): Promise<Admin> {
  const gate = new Gate(context)
  const access = new PreviewAccess(context, gate)
  const preview = context.settings.preview === null ? null : await buildPreview(context, gate, access)
  preview?.server.on('listening', () => {
    access.address = preview.server.address() as AddressInfo
  })
  return { api: await buildApi(context, gate, access), preview }
}

async function buildApi(context: AdminContext, gate: Gate, access: PreviewAccess): Promise<FastifyInstance> {
  const app = fastify({
    serverFactory: (handler) => gate.connections.serve('admin', handler),
    // A malformed URL is refused before routing, and so without an error handler.
    frameworkErrors: (error, _request, reply) => void sendProblem(context, reply, error),
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 500 },
  })
  // `readInput` checks inputs, with better messages; Fastify's schemas are for the documentation.
  app.setValidatorCompiler(() => (value) => ({ value }))
  app.setSerializerCompiler(() => (value) => JSON.stringify(value))
  app.decorateRequest('actor')
  const readers = new EventReaders(context.settings.connections)
  app.addHook('preClose', async () => readers.end())
  app.addHook('preClose', () => closeServer(app.server))
  app.decorateRequest('previewSession', null)
  app.addHook('onRequest', async (request, reply) => {
    refuseForeign(request, context.settings)
    refuseMisdirected(request, context.self.id)
    const { role, streamsBody } = request.routeOptions.config
    const needed = role ?? (READS.has(request.method) ? 'read' : 'operate')
    if (needed === 'none') return
    gate.admit(request, reply, needed, streamsBody === true)
  })
  app.setErrorHandler((error: FastifyError, _request, reply) => sendProblem(context, reply, error))
  const allowed = new AllowedMethods(app)
  app.setNotFoundHandler((request, reply) => {
    const methods = allowed.at(pathOf(request))
    if (methods.length === 0) return sendProblem(context, reply, notFound(request))
    reply.header('allow', methods.join(', '))
    return sendProblem(context, reply, notAllowed(request, methods))
  })

  await app.register(swagger, documented(context.version))
  await app.register(documentation)
  await app.register(dashboard)
  await app.register(async (api) => {
    takeJsonOnly(api)
    api.addHook('preValidation', refuseQuery)
    keepAnswers(api, context)
    markStale(api, context)
    serviceRoutes(api, context)
    statsRoutes(api, context)
    trafficRoutes(api, context)
    pausingRoutes(api, context)
    deployRoutes(api, context)
    rolloutRoutes(api, context)
    freezeRoutes(api, context)
    gateLinkRoutes(api, context)
    explainRoutes(api, context)
    serverRoutes(api, context)
    configRoutes(api, context)
    certificateRoutes(api, context)
    healthRoutes(api, context)
    instanceRoutes(api, context)
    overrideRoutes(api, context)
    eventRoutes(api, context, readers)
    workerRoutes(api, context)
    whoamiRoutes(api, context)
    previewLinkRoutes(api, context, access)
    metricsRoutes(api, context, gate, readers)
  })
  await app.register(async (preview) => previewRoutes(preview, context, access, 'admin'))
  await app.register(async (others) => handOverRoutes(others, context))
  await app.ready()
  return app
}

/** Accepts only JSON bodies; a missing body is the same as `{}`. */
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

function pathOf({ url }: FastifyRequest): string {
  return url.split('?')[0] ?? ''
}

function notFound(request: FastifyRequest): ApiProblem {
  const path = clipped(pathOf(request), 200)
  return new ApiProblem(404, 'Not found', `There is no ${request.method} ${path} here; see /docs.`)
}

function notAllowed(request: FastifyRequest, methods: readonly string[]): ApiProblem {
  const path = clipped(pathOf(request), 200)
  const detail = `${request.method} is not allowed at ${path}, only ${methods.join(', ')}; see /docs.`
  return new ApiProblem(405, 'Method not allowed', detail)
}
