import { readFileSync } from 'node:fs'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { PROBLEMS_PAGE } from '../version.ts'
import { refuseQuery } from './input.ts'
import { ApiProblem, slugOf } from './problems.ts'

/** The logo of the page and the icon of its tab: two lanes, one of which takes over. */
const MARK =
  '<path d="M2 6h9l6 12h5" stroke="#34d399"/><path d="M2 18h9l6-12h5" stroke="#94a3b8" stroke-dasharray="3 3"/>'
const SVG = 'xmlns="http://www.w3.org/2000/svg" fill="none"'
const FAVICON = `<svg ${SVG} viewBox="0 0 24 24" stroke-width="3">${MARK}</svg>`
const LOGO =
  `<svg ${SVG} viewBox="0 0 132 24" width="220" height="40"><g stroke-width="2.5">${MARK}</g>` +
  '<text x="32" y="18" fill="#fff" font-family="system-ui, sans-serif" font-size="17" font-weight="600">Cutover</text></svg>'

/**
 * The page loads everything from this address. The policy has no `upgrade-insecure-requests`: the admin API speaks plain HTTP,
 * and with it a browser would request the scripts by https, except on loopback.
 */
const CONTENT_SECURITY_POLICY = {
  'default-src': "'self'",
  'base-uri': "'self'",
  'img-src': "'self' data:",
  'object-src': "'none'",
  'frame-ancestors': "'none'",
}

const MARKDOWN = 'text/markdown; charset=utf-8'

/** The OpenAPI document, a page to try it, and the pages of problems. They need no token: they show no state, and a browser cannot send one before the page is there. */
export async function documentation(docs: FastifyInstance): Promise<void> {
  docs.addHook('onRoute', (route) => {
    route.config = { ...route.config, role: 'none' }
  })
  await docs.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: CONTENT_SECURITY_POLICY,
    theme: {
      title: 'Cutover admin API',
      favicon: [{ filename: 'mark.svg', rel: 'icon', type: 'image/svg+xml', sizes: 'any', content: FAVICON }],
    },
    logo: { type: 'image/svg+xml', content: LOGO },
  })
  const options = { schema: { hide: true }, preValidation: refuseQuery }
  docs.get('/docs/problems', options, (_request, reply) => reply.type(MARKDOWN).send(readFileSync(PROBLEMS_PAGE)))
  docs.get<{ Params: { problem: string } }>('/docs/problems/:problem', options, ({ params }, reply) =>
    reply.type(MARKDOWN).send(problemSection(params.problem)),
  )
  docs.get('/api/openapi.json', options, () => docs.swagger())
}

/** The section of one problem. Throws 404. */
function problemSection(slug: string): string {
  const sections = readFileSync(PROBLEMS_PAGE, 'utf8').split(/^(?=##+ )/m)
  const found = sections.find((section) => slugOf(/^### (.*)/.exec(section)?.[1] ?? '') === slug)
  if (found === undefined) throw new ApiProblem(404, 'Not found', 'There is no such problem; see /docs/problems.')
  return found
}
