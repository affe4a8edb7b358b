import type { FastifyRequest } from 'fastify'
import { type StaticDecode, type TSchema, Type } from 'typebox'
import { Problems, quote } from '../config/problems.ts'
import { read } from '../config/read.ts'
import * as kind from '../config/schema/kinds.ts'
import { ApiProblem, invalidProblem } from './problems.ts'

/** Reads an input by `schema`. Throws 422 with all problems. */
export function readInput<S extends TSchema>(schema: S, value: unknown): StaticDecode<S> {
  const problems = new Problems()
  const result = read(schema, value, '', problems)
  if (problems.list.length > 0) throw invalidProblem(problems.list)
  return result
}

/** Reads a body that may be left out; then it is `{}`. */
export function readBody<S extends TSchema>(schema: S, request: FastifyRequest): StaticDecode<S> {
  return readInput(schema, request.body ?? {})
}

/** The reason of a change, for the history and logs, on one line. */
export const reasonText = (description: string) =>
  kind.text({
    description,
    default: '',
    pattern: '^[^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]{0,500}$',
    errorMessage: 'expected at most 500 characters on one line',
  })

const switchWord = (description: string) =>
  kind.decoded(
    Type.Enum(['true', 'false', ''], { description, errorMessage: 'expected true or false', default: 'false' }),
    (word) => word !== 'false',
  )

/** Query of every write. */
export const WriteQuery = kind.section(
  {
    wait: kind.queryDuration({
      description: 'Answer when every instance has applied the change and drained what it drains; 504 after this time.',
      default: '0',
      maxMs: 3_600_000,
    }),
    force: switchWord('Do it even if that breaks a promise; recorded in the history.'),
    reason: reasonText('Reason, recorded in the history.'),
  },
  {},
)

const scope = {
  scope: kind.choice(['fleet', 'local'], {
    description:
      'local: only this instance, while the store is away or takes no changes; ends when the store takes changes again, or with DELETE /api/overrides.',
    default: 'fleet',
  }),
}

/** Query of a switch. */
export const SwitchQuery = kind.section({ ...WriteQuery.properties, ...scope }, {})

/** Narrows a server's name to a service and a pool. */
export const ServerQuery = kind.section(
  {
    service: Type.Optional(kind.text({ description: 'Only servers of this service.' })),
    pool: Type.Optional(kind.text({ description: 'Only servers of pools of this name.' })),
  },
  {},
)

/** Members that the body of every command may have. */
export const commandMembers = {
  force: kind.flag({
    description: 'Do it even if that breaks a promise; recorded in the history.',
    default: false,
  }),
  reason: reasonText('Reason, recorded in the history.'),
}

/** Body of a command without members of its own. */
export const CommandBody = kind.section(commandMembers, {})

/** Query of a write to servers. */
export const ServerWriteQuery = kind.section({ ...ServerQuery.properties, ...WriteQuery.properties }, {})

/** Query of disable, drain and enable. */
export const ServerStateQuery = kind.section({ ...ServerWriteQuery.properties, ...scope }, {})

/** Reads the revision in If-Match; null = absent or `*`. Throws 400. */
export function readIfMatch(request: FastifyRequest): number | null {
  const given = request.headers['if-match']
  if (given === undefined || given.trim() === '*') return null
  const [, , digits] = /^\s*(?:W\/)?("?)(\d{1,15})\1\s*$/.exec(given) ?? []
  if (digits !== undefined) return Number(digits)
  const detail = `If-Match must be a revision as in ETag, such as "42", not ${quote(given)}.`
  throw new ApiProblem(400, 'Malformed If-Match', detail)
}

/** Refuses any query where the route declares none: a key that is not understood may have been meant to matter. Throws 422. */
export async function refuseQuery({ query, routeOptions }: FastifyRequest): Promise<void> {
  const { querystring } = (routeOptions.schema ?? {}) as { readonly querystring?: unknown }
  const keys = querystring === undefined ? Object.keys(query as object) : []
  if (keys.length === 0) return
  const message = 'unknown key; this path takes no query'
  throw invalidProblem(keys.map((key) => ({ path: key, message })))
}
