import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import * as kind from '../../config/schema/kinds.ts'
import type { ServiceMode } from '../../model/service-mode.ts'
import type { AdminContext } from '../context.ts'
import { CommandBody, commandMembers, readBody } from '../input.ts'
import { serviceCommands } from './service-commands.ts'

const PauseBody = kind.section(
  {
    for: kind.duration({
      description: 'Max time that a request is held; then it is answered 504.',
      default: '30s',
      minMs: 1,
    }),
    maxHeld: Type.Optional(
      kind.count({
        description:
          'Max requests of this service held by each instance; further ones are answered 503. By default only proxy.limits.held counts.',
        minimum: 1,
      }),
    ),
    ...commandMembers,
  },
  {},
)

const StopBody = kind.section(
  {
    message: kind.text({
      description: 'Text of the answer.',
      default: 'The service is stopped.',
      pattern: '^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f]{1,2000}$',
      errorMessage: 'expected 1 to 2,000 characters of text',
    }),
    status: kind.count({ description: 'Status of the answer.', default: 503, minimum: 400, maximum: 599 }),
    retryAfter: kind.duration({
      description: 'Retry-After of the answer, in whole seconds; 0 = none.',
      default: '30s',
    }),
    ...commandMembers,
  },
  {},
)

/** Commands that hold back the requests of a service, or answer them: pause, resume and stop. */
export function pausingRoutes(api: FastifyInstance, context: AdminContext): void {
  const post = serviceCommands(api, context)
  const command = (service: string, mode: ServiceMode | null) => ({ kind: 'mode' as const, service, mode })

  post(
    'pause',
    'Hold all requests of a service until it is resumed; ?wait= answers when no instance has one in flight at a server',
    PauseBody,
    (service, request) => {
      const { for: forMs, maxHeld = 0, ...options } = readBody(PauseBody, request)
      return { command: command(service, { kind: 'paused', forMs, maxHeld }), options }
    },
    { for: '30s' },
  )
  post(
    'resume',
    'Serve the requests of a service again; those that were held go where they are right now',
    CommandBody,
    (service, request) => ({ command: command(service, null), options: readBody(CommandBody, request) }),
  )
  post(
    'stop',
    'Answer all requests of a service with a message; those in flight finish',
    StopBody,
    (service, request) => {
      const { message, status, retryAfter, ...options } = readBody(StopBody, request)
      const retryAfterSeconds = retryAfter === 0 ? null : Math.ceil(retryAfter / 1_000)
      return { command: command(service, { kind: 'stopped', message, status, retryAfterSeconds }), options }
    },
    { message: 'Back at 14:00.' },
  )
}
