import { existsSync } from 'node:fs'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { DASHBOARD_FOLDER } from '../version.ts'
import { ApiProblem } from './problems.ts'

/** The page loads everything from this address; the browser refuses everything else. */
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/**
 * The dashboard at `/`. It needs no token: its files show no state, and a browser cannot send one before the page is there. The
 * page asks for one, and sends it with its calls of the API.
 */
export async function dashboard(pages: FastifyInstance): Promise<void> {
  pages.addHook('onRoute', (route) => {
    route.config = { ...route.config, role: 'none' }
    route.schema = { ...route.schema, hide: true }
  })
  if (!existsSync(join(DASHBOARD_FOLDER, 'index.html'))) {
    pages.get('/', () => {
      throw new ApiProblem(404, 'Not found', 'The dashboard is not built here: npm run build. The API is at /docs.')
    })
    return
  }
  await pages.register(fastifyStatic, {
    root: DASHBOARD_FOLDER,
    // A route for each file, so that nothing else is looked for on the disk.
    wildcard: false,
    preCompressed: true,
    cacheControl: false,
    setHeaders: (response, path) => {
      for (const [name, value] of Object.entries(HEADERS)) response.header(name, value)
      // The names of assets have a hash of their content.
      response.header('cache-control', /\/assets\//.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache')
    },
  })
}
