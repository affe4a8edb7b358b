import type { FastifyInstance } from 'fastify'
import { viewOverride } from '../../control/fleet/self.ts'
import type { AdminContext } from '../context.ts'
import { describe } from '../openapi.ts'

/** Commands that were carried out on this instance alone while the store was away. */
export function overrideRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control } = context
  const list = () => ({
    revision: control.state.revision,
    overrides: control.controller.overrides.map(viewOverride),
  })

  api.get(
    '/api/overrides',
    {
      schema: describe({ tag: 'instance', summary: 'Overrides of this instance', answer: 'Overrides' }),
    },
    list,
  )

  api.delete(
    '/api/overrides',
    {
      schema: describe({
        tag: 'instance',
        summary: 'Remove all overrides of this instance: it follows the store again',
        answer: 'Overrides',
      }),
    },
    async (request) => {
      await context.overrides.lift(`lifted by ${request.actor.name}`)
      return list()
    },
  )
}
