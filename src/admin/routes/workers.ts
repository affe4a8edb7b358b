import type { FastifyInstance } from 'fastify'
import * as kind from '../../config/schema/kinds.ts'
import type { AdminContext } from '../context.ts'
import { readInput, reasonText } from '../input.ts'
import { describe } from '../openapi.ts'
import { ApiProblem } from '../problems.ts'

const RestartQuery = kind.section(
  {
    wait: kind.queryDuration({
      description: 'Answer when every worker is replaced; 504 after this time.',
      default: '0',
      maxMs: 3_600_000,
    }),
    reason: reasonText('Reason, for the log.'),
  },
  {},
)

/** The worker processes of this instance. */
export function workerRoutes(api: FastifyInstance, { proxies, log }: AdminContext): void {
  api.post(
    '/api/workers/restart',
    {
      schema: describe({
        tag: 'instance',
        summary: 'Replace the workers one by one, refusing no connection',
        query: RestartQuery,
        answer: 'WorkersRestarted',
        accepted: 'WorkersRestarted',
      }),
      config: { role: 'admin' },
    },
    async (request, reply) => {
      const { wait, reason } = readInput(RestartQuery, request.query)
      if (proxies.replace === undefined) {
        throw new ApiProblem(
          409,
          'No workers',
          'proxy.workers is 0: there are no workers to replace. Restart the instance instead.',
        )
      }
      log.info({ by: request.actor.name, reason }, 'replacing the workers')
      const replaced = proxies.replace()
      if (wait === 0) {
        reply.code(202)
        return { restarting: true }
      }
      const trouble = await Promise.race([
        replaced,
        new Promise<'late'>((resolve) => setTimeout(resolve, wait, 'late')),
      ])
      if (trouble === 'late') {
        throw new ApiProblem(
          504,
          'Not yet all',
          `After ${wait} ms old workers still finish requests; the replacement continues.`,
        )
      }
      if (trouble !== null) throw new ApiProblem(500, 'Not replaced', trouble)
      return { restarting: false }
    },
  )
}
