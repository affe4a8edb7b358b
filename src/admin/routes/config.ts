import type { FastifyInstance } from 'fastify'
import { shown } from '../../config/shown.ts'
import type { AdminContext } from '../context.ts'
import { CommandBody, readBody, readInput, WriteQuery } from '../input.ts'
import { describe } from '../openapi.ts'
import { invalidProblem } from '../problems.ts'
import { withoutSecrets } from '../secrets.ts'
import { requestOf, settle } from '../write.ts'

/** The configuration file: as it is in force, and read again. */
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
      return { revision, ...shown(config), services: withoutSecrets(config.services) }
    },
  )

  api.post(
    '/api/config/reload',
    {
      schema: describe({
        tag: 'instance',
        summary: 'Read the configuration file again',
        body: CommandBody,
        query: WriteQuery,
        answer: 'Reloaded',
      }),
      config: { role: 'admin' },
    },
    async (request, reply) => {
      const query = readInput(WriteQuery, request.query)
      const reload = await context.file.reload(requestOf(request, { ...readBody(CommandBody, request), query }))
      if (reload.kind === 'invalid') {
        throw invalidProblem(reload.problems, 'Invalid configuration', `${reload.file} was not applied: `)
      }
      const written = await settle(context, reply, reload.result, query.wait)
      return { ...written, needRestart: reload.needRestart }
    },
  )
}
