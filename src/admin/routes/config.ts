import type { FastifyInstance } from 'fastify'
import * as kind from '../../config/schema/kinds.ts'
import type { AdminContext } from '../context.ts'
import { commandMembers, readBody, readInput, WriteQuery } from '../input.ts'
import { describe } from '../openapi.ts'
import { ApiProblem } from '../problems.ts'
import { requestOf, settle } from '../write.ts'

const ReloadBody = kind.section(commandMembers, {})

/** The configuration file: as it is in force, and read again. */
export function configRoutes(api: FastifyInstance, context: AdminContext): void {
  api.get(
    '/api/config',
    {
      schema: describe({ tag: 'instance', summary: 'The configuration in force, secrets left out' }),
      config: { role: 'admin' },
    },
    () => ({ revision: context.control.state.revision, ...context.configuration() }),
  )

  api.post(
    '/api/config/reload',
    {
      schema: describe({
        tag: 'instance',
        summary: 'Read the configuration file again',
        body: ReloadBody,
        query: WriteQuery,
      }),
      config: { role: 'admin' },
    },
    async (request, reply) => {
      const reload = await context.reload(requestOf(request, readBody(ReloadBody, request)))
      if (reload.kind === 'invalid') {
        const { file, problems } = reload
        const detail = `${file} was not applied: ${problems.map(({ path, message }) => `${path}: ${message}`).join('; ')}`
        throw new ApiProblem(422, 'Invalid configuration', detail, { problems })
      }
      const written = await settle(context, reply, reload.result, readInput(WriteQuery, request.query).wait)
      return { ...written, needRestart: reload.needRestart }
    },
  )
}
