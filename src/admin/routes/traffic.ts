import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import * as kind from '../../config/schema/kinds.ts'
import type { Command } from '../../model/commands.ts'
import type { AdminContext } from '../context.ts'
import { commandMembers, readBody } from '../input.ts'
import { invalidProblem } from '../problems.ts'
import type { WriteOptions } from '../write.ts'
import { serviceCommands } from './service-commands.ts'

const SwitchBody = kind.section(
  {
    to: Type.Optional(
      kind.text({ description: 'The pool that gets all traffic; with two pools, by default the other one.' }),
    ),
    drain: Type.Optional(
      kind.duration({
        description:
          'Time after which requests that are still in flight at the old pool are cut; by default never. Also if all traffic is at the new pool already.',
      }),
    ),
    ...commandMembers,
  },
  {},
)

const ShiftBody = kind.section(
  {
    to: Type.Optional(kind.text({ description: 'The pool whose share is set; the others keep their proportions.' })),
    percent: Type.Optional(
      Type.Number({ description: 'Its share in percent.', errorMessage: 'expected a number from 0 to 100' }),
    ),
    split: Type.Optional(
      Type.Record(Type.String({ pattern: '^' }), Type.Unknown(), {
        description: 'Percent per pool, summing to 100.',
        errorMessage: 'expected percentages by pool, such as {"blue": 95, "green": 5}',
      }),
    ),
    ...commandMembers,
  },
  {},
)

const RollbackBody = kind.section(
  {
    revision: Type.Optional(
      kind.count({ description: 'Return to the decision in force at this revision; by default the previous one.' }),
    ),
    ...commandMembers,
  },
  {},
)

/** Commands that distribute requests to pools: switch, shift and rollback. */
export function trafficRoutes(api: FastifyInstance, context: AdminContext): void {
  const post = serviceCommands(api, context)

  post('switch', 'Move all traffic to one pool, if it has enough servers up', SwitchBody, (service, request) => {
    const { to, drain, ...options } = readBody(SwitchBody, request)
    const command = {
      kind: 'switch' as const,
      service,
      ...(to === undefined ? {} : { to }),
      ...(drain === undefined ? {} : { drainMs: drain }),
    }
    return { command, options }
  })

  const shiftOf = (service: string, request: FastifyRequest): { command: Command; options: WriteOptions } => {
    const { to, percent, split, ...options } = readBody(ShiftBody, request)
    if (split !== undefined && (to !== undefined || percent !== undefined)) {
      throw invalidProblem([{ path: 'split', message: 'say either {to, percent} or {split}, not both' }])
    }
    if (split !== undefined) {
      return { command: { kind: 'split', service, split: split as Readonly<Record<string, number>> }, options }
    }
    if (to === undefined || percent === undefined) {
      const path = to === undefined ? 'to' : 'percent'
      throw invalidProblem([{ path, message: 'is missing; say {"to": POOL, "percent": 5} or {"split": {…}}' }])
    }
    return { command: { kind: 'shift', service, to, percent }, options }
  }
  post('shift', 'Change the split by percentages', ShiftBody, shiftOf, { to: 'green', percent: 5 })

  post('rollback', 'Return to the previous routing decision', RollbackBody, (service, request) => {
    const { revision, ...options } = readBody(RollbackBody, request)
    return { command: { kind: 'rollback', service, ...(revision === undefined ? {} : { revision }) }, options }
  })
}
