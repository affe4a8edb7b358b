import type { FastifyInstance } from 'fastify'
import * as kind from '../../config/schema/kinds.ts'
import type { AdminContext } from '../context.ts'
import { readBody } from '../input.ts'
import { describe } from '../openapi.ts'
import type { PreviewAccess } from '../preview-access.ts'
import { ApiProblem } from '../problems.ts'
import { requirePool } from './preview.ts'

const LinkBody = kind.section(
  {
    path: kind.text({
      description: 'Path and query to open.',
      pattern: '^/[\\x21\\x22\\x24-\\x7e]{0,2000}$',
      errorMessage: 'expected a path such as /login?next=1',
      default: '/',
    }),
  },
  {},
)

interface Params {
  service: string
  pool: string
}

/** Links to previews, for browsers, which have no token to send. */
export function previewLinkRoutes(api: FastifyInstance, context: AdminContext, access: PreviewAccess): void {
  const schema = describe({
    tag: 'traffic',
    summary: 'A link to the preview of a pool, for a browser; works once, within a minute',
    body: LinkBody,
    answer: 'PreviewLink',
  })
  api.post<{ Params: Params }>('/api/services/:service/pools/:pool/preview', { schema }, (request, reply) => {
    const { service, pool } = request.params
    requirePool(context, service, pool)
    const { path } = readBody(LinkBody, request)
    const link = access.link(request, `/preview/${service}/${pool}${path}`)
    if (link === null) {
      const detail = 'Pages of previews need an origin of their own: set admin.preview, such as 127.0.0.1:9901.'
      throw new ApiProblem(409, 'No preview', detail)
    }
    reply.header('cache-control', 'no-store')
    return link
  })
}
