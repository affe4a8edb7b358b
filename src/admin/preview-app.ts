import type { FastifyError, FastifyInstance } from 'fastify'
import { fastify } from 'fastify'
import { closeServer } from './connections.ts'
import type { AdminContext } from './context.ts'
import { sendProblem } from './failures.ts'
import type { Gate } from './gate.ts'
import type { PreviewAccess } from './preview-access.ts'
import { ApiProblem } from './problems.ts'
import { previewRoutes } from './routes/preview.ts'

/** Matches the URL of a page in a preview. */
const PAGE = /^https?:\/\/([^/]+)(\/preview\/[^/?#]+\/[^/?#]+)[/?#]/

/** Builds the server of previews, not yet listening: it serves only `/preview/{service}/{pool}/…`, for pages of the apps. */
export async function buildPreview(context: AdminContext, gate: Gate, access: PreviewAccess): Promise<FastifyInstance> {
  const app = fastify({
    serverFactory: (handler) => gate.connections.serve('preview', handler),
    frameworkErrors: (error, _request, reply) => void sendProblem(context, reply, error),
    logger: false,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 500 },
  })
  app.decorateRequest('actor')
  app.decorateRequest('previewSession', null)
  app.addHook('preClose', () => closeServer(app.server))
  app.addHook('onRequest', async (request, reply) => {
    if (!request.is404 && access.admit(request, reply) === 'answered') return reply
  })
  app.setErrorHandler((error: FastifyError, _request, reply) => sendProblem(context, reply, error))
  app.setNotFoundHandler((request, reply) => {
    // A page's request for an absolute path, such as /assets/app.js, is meant for its preview.
    const [, host, prefix] = PAGE.exec(request.headers.referer ?? '') ?? []
    if (prefix !== undefined && host === request.headers.host && request.url.startsWith('/')) {
      return reply.redirect(`${prefix}${request.url}`, 307)
    }
    const detail = 'This port serves only previews: /preview/SERVICE/POOL/. The API is at admin.listen.'
    return sendProblem(context, reply, new ApiProblem(404, 'Not found', detail))
  })
  await app.register(async (preview) => previewRoutes(preview, context, access, 'own'))
  await app.ready()
  return app
}
