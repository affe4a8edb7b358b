import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { TSchema } from 'typebox'
import type { Command } from '../../model/commands.ts'
import type { AdminContext } from '../context.ts'
import { readInput, SwitchQuery, WriteQuery } from '../input.ts'
import { describe } from '../openapi.ts'
import type { Carried, WriteOptions } from '../write.ts'
import { answerTo, carryOut, carryOutHere } from '../write.ts'
import { serviceViewOrNull } from './services.ts'

/** A command as a request asks for it. */
export interface AskedCommand {
  readonly command: Command
  readonly options: WriteOptions
}

/** Adds `POST /api/services/{service}/{verb}`, whose body `commandOf` reads. */
export type AddCommand = (
  verb: string,
  summary: string,
  body: TSchema,
  commandOf: (service: string, request: FastifyRequest) => AskedCommand,
  example?: object,
) => void

/** Returns the function that adds commands about one service. */
export function serviceCommands(api: FastifyInstance, context: AdminContext): AddCommand {
  const carryOutWhere = (
    request: FastifyRequest,
    reply: FastifyReply,
    { command, options }: AskedCommand,
  ): Promise<Carried> => {
    if (command.kind !== 'switch') return carryOut(context, request, reply, () => ({ command }), options)
    const { scope, ...query } = readInput(SwitchQuery, request.query)
    if (scope === 'local') return carryOutHere(context, request, reply, command, { ...options, query })
    return carryOut(context, request, reply, () => ({ command }), { ...options, query })
  }

  return (verb, summary, body, commandOf, example = {}) => {
    const query = verb === 'switch' ? SwitchQuery : WriteQuery
    const schema = describe({ tag: 'traffic', summary, query, body, example, answer: 'Written' })
    const path = `/api/services/:service/${verb}`
    api.post<{ Params: { service: string } }>(path, { schema }, async (request, reply) => {
      const { service } = request.params
      const carried = await carryOutWhere(request, reply, commandOf(service, request))
      // The service may have been removed since.
      return answerTo(context, carried, { service: await serviceViewOrNull(context, service) })
    })
  }
}
