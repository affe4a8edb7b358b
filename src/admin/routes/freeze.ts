import type { FastifyInstance } from 'fastify'
import type { AdminContext } from '../context.ts'
import { CommandBody, readBody, readInput, WriteQuery } from '../input.ts'
import { describe } from '../openapi.ts'
import { answerTo, carryOut } from '../write.ts'
import { serviceViewOrNull } from './services.ts'

/** Freezes: while a service is frozen, its routing stays as it is. */
export function freezeRoutes(api: FastifyInstance, context: AdminContext): void {
  const add = (verb: 'freeze' | 'unfreeze', summary: string): void => {
    const schema = describe({ tag: 'rollouts', summary, query: WriteQuery, body: CommandBody, answer: 'Written' })
    const path = `/api/services/:service/${verb}`
    api.post<{ Params: { service: string } }>(path, { schema }, async (request, reply) => {
      const { service } = request.params
      const options = { ...readBody(CommandBody, request), query: readInput(WriteQuery, request.query) }
      const reason = options.reason || options.query.reason || null
      const carried = await carryOut(
        context,
        request,
        reply,
        (_state, { by }, { nowMs }) => {
          const freeze = verb === 'unfreeze' ? null : { by, at: new Date(nowMs).toISOString(), reason }
          return { command: { kind: 'freeze', service, freeze } }
        },
        options,
      )
      return answerTo(context, carried, { service: await serviceViewOrNull(context, service) })
    })
  }
  add(
    'freeze',
    'Keep the routing of a service as it is: switches, shifts, deploys and rollouts are refused, unless forced',
  )
  add('unfreeze', 'Let the routing of a service be changed again')
}
