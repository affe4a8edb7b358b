import type { FastifyInstance } from 'fastify'
import * as kind from '../../config/schema/kinds.ts'
import { shown } from '../../config/shown.ts'
import { withoutSecrets } from '../../model/without-secrets.ts'
import type { AdminContext } from '../context.ts'
import { commandMembers, readBody, readInput, WriteQuery } from '../input.ts'
import { describe } from '../openapi.ts'
import { invalidProblem } from '../problems.ts'
import { answerTo, requestOf, settle } from '../write.ts'

const ReloadBody = kind.section(
  {
    ...commandMembers,
    restore: kind.flag({
      description: 'Bring back services that the file names and that were removed through the API.',
      default: false,
    }),
  },
  {},
)

/** The configuration file: reading the one in force, and reloading it. */
export function configRoutes(api: FastifyInstance, context: AdminContext): void {
  api.get(
    '/api/config',
    {
      schema: describe({
        tag: 'instance',
        summary: 'The configuration in force, secrets left out',
        answer: 'Configuration',
      }),
      config: { role: 'admin' },
    },
    (_request, reply) => {
      const { revision } = context.control.state
      const { config } = context.file
      reply.header('etag', `"${revision}"`)
      return { revision, ...shown(config), services: withoutSecrets(config.services), ...removed(context) }
    },
  )

  api.post(
    '/api/config/reload',
    {
      schema: describe({
        tag: 'instance',
        summary: 'Read the configuration file again',
        body: ReloadBody,
        query: WriteQuery,
        answer: 'Reloaded',
      }),
      config: { role: 'admin' },
    },
    async (request, reply) => {
      const query = readInput(WriteQuery, request.query)
      const { restore, ...options } = readBody(ReloadBody, request)
      const reload = await context.file.reload(requestOf(request, { ...options, query }), restore)
      if (reload.kind === 'invalid') {
        throw invalidProblem(reload.problems, 'Invalid configuration', `${reload.file} was not applied: `)
      }
      const carried = await settle(context, reply, reload.result, query.wait)
      return answerTo(context, carried, { needRestart: reload.needRestart, ...removed(context) })
    },
  )
}

/** Services of the file that were removed through the API, and how to bring them back; `{}` = none. */
function removed({ file }: AdminContext): { readonly removed?: object } {
  const services = file.removedServices
  if (services.length === 0) return {}
  const hint =
    'They are in the file and were removed through the API, so a reload leaves them out. POST /api/config/reload with ' +
    '{"restore": true} brings them back; delete them from the file to remove them for good.'
  return { removed: { services, hint } }
}
