import type { FastifyInstance } from 'fastify'
import { viewOverride } from '../../control/fleet/self.ts'
import type { AdminContext } from '../context.ts'
import { describe } from '../openapi.ts'

/** What was done to this instance alone while the store was away. */
export function overrideRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control } = context
  const list = () => ({
    revision: control.state.revision,
    overrides: control.controller.overrides.map(viewOverride),
  })

  api.get(
    '/api/overrides',
    {
      schema: describe({ tag: 'instance', summary: 'What is overridden on this instance alone', answer: 'Overrides' }),
    },
    list,
  )

  api.delete(
    '/api/overrides',
    {
      schema: describe({
        tag: 'instance',
        summary: 'Lift all overrides of this instance: it does what the store last said',
        answer: 'Overrides',
      }),
    },
    async (request) => {
      await context.overrides.lift(`lifted by ${request.actor.name}`)
      return list()
    },
  )
}
