import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type { TSchema } from 'typebox'
import { type AnswerName, answers } from './schemas.ts'

/** Options of the OpenAPI document beside the routes. */
export function documented(version: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Cutover',
        version,
        description: 'Switch, shift and drain traffic between pools of servers without losing a request.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      // Relative to the document: the instance that it was read from, by whatever name.
      servers: [{ url: '/', description: 'This instance.' }],
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
      tags: [
        { name: 'services', description: 'Services: pools, split and policies.' },
        { name: 'traffic', description: 'Distribution of requests to pools.' },
        { name: 'rollouts', description: 'Rollouts: shifts that are judged by the traffic they route.' },
        { name: 'servers', description: 'Servers: state, weight and limit.' },
        { name: 'instance', description: 'This instance and its fleet.' },
      ],
    },
    transformObject: (document) => ('openapiObject' in document ? finished(document.openapiObject) : {}),
  }
}

/** Members of a schema that only `config/read.ts` uses. */
const INTERNAL = new Set(['errorMessage', 'nameMessage'])

/** A schema as plain JSON Schema. */
export function published(schema: TSchema): object {
  const visible = (key: string, value: unknown) => (key.startsWith('~') || INTERNAL.has(key) ? undefined : value)
  return JSON.parse(JSON.stringify(schema, visible)) as object
}

export interface Described {
  readonly tag: 'services' | 'traffic' | 'rollouts' | 'servers' | 'instance'
  readonly summary: string
  readonly body?: TSchema
  /** A body that is accepted unchanged; by default `{}`. */
  readonly example?: object
  readonly query?: TSchema
  /** Body of 200; absent = not JSON. */
  readonly answer?: AnswerName
  /** The data of each event of 200, which is a stream of them. */
  readonly stream?: AnswerName
  /** Body of 201: something was created. */
  readonly created?: AnswerName
  /** Body of 202: the work has begun and continues. */
  readonly accepted?: AnswerName
  /** Body of 503; absent = a problem document. */
  readonly failing?: AnswerName
  /** Body of 504; absent = `NotYet`. */
  readonly late?: AnswerName
  /** Whether the route needs no token. */
  readonly open?: boolean
}

/** Answers of routes that change the state: these take If-Match, may refuse with 409, and can wait for the fleet. */
const CHANGES: ReadonlySet<AnswerName> = new Set([
  'Written',
  'ServersWritten',
  'Reloaded',
  'Deployed',
  'RolloutWritten',
])

/** Descriptions of 504, by its body. */
const LATE: Partial<Record<AnswerName, string>> = {
  NotYet: 'The change stands, but the time of ?wait= ended before it was complete everywhere',
  NotDeployed:
    'Not all servers were up in time, and nothing was switched; or it was, but the time of ?wait= ended before it was complete',
}

/** Answers with an ETag: the revision that they show. */
const TAGGED: ReadonlySet<AnswerName> = new Set<AnswerName>([
  ...CHANGES,
  'NotYet',
  'Service',
  'Services',
  'Definition',
  'History',
  'Servers',
  'Instance',
  'Certificates',
  'Instances',
  'Stats',
  'StatsOverTime',
  'Explanation',
  'InstanceStruck',
  'Rollouts',
  'RolloutShown',
  'Configuration',
  'Certificates',
])

const ETAG = { ETag: { type: 'string', description: 'The revision in this answer, in quotes; for If-Match.' } }

/** A route's entry in the OpenAPI document. */
export function describe({ tag, summary, body, example = {}, query, ...rest }: Described): object {
  const { answer, stream, created, accepted, failing, late = 'NotYet', open } = rest
  const isChange = [answer, created].some((name) => name !== undefined && CHANGES.has(name))
  const takesInput = body !== undefined || query !== undefined
  return {
    tags: [tag],
    summary,
    ...(open === true ? { security: [] } : {}),
    ...(body === undefined ? {} : { body: { ...published(body), examples: [example] } }),
    ...(query === undefined ? {} : { querystring: published(query) }),
    response: {
      200: success(answer, stream),
      ...(created === undefined ? {} : { 201: json('Created; Location is its path', created) }),
      ...(accepted === undefined ? {} : { 202: json('Begun; the work continues', accepted) }),
      ...(isChange ? { 409: problem('The change would break a promise, or does not fit the state', 'Conflict') } : {}),
      ...(isChange ? { 412: problem('The resource has moved on from If-Match', 'MovedOn') } : {}),
      ...(takesInput ? { 422: problem('A value is invalid', 'Invalid') } : {}),
      ...(failing === undefined ? {} : { 503: json('Not well', failing) }),
      ...(isChange
        ? {
            504: problem(LATE[late] ?? '', late),
          }
        : {}),
      default: problem('The problem, and what to do instead (RFC 9457)', 'Problem'),
    },
  }
}

function success(answer: AnswerName | undefined, stream: AnswerName | undefined): object {
  if (stream !== undefined) return response('text/event-stream', 'Events; the schema is that of their data', stream)
  return answer === undefined ? { description: 'Done', type: 'null' } : json('Done', answer)
}

function json(description: string, answer: AnswerName): object {
  return response('application/json', description, answer)
}

function problem(description: string, answer: AnswerName): object {
  return response('application/problem+json', description, answer)
}

function response(type: string, description: string, answer: AnswerName): object {
  const headers = TAGGED.has(answer) ? { headers: ETAG } : {}
  return { description, ...headers, content: { [type]: { schema: refTo(answer) } } }
}

function refTo(answer: AnswerName): object {
  return { $ref: `#/components/schemas/${answer}` }
}

interface Operation {
  readonly parameters?: readonly object[]
  readonly requestBody?: object
  readonly responses: Readonly<Record<string, object>>
}

const IF_MATCH = {
  in: 'header',
  name: 'If-Match',
  description: 'Refuse the change unless the resource is still at this revision, as its ETag gives it: "42".',
  schema: { type: 'string' },
}

const IDEMPOTENCY_KEY = {
  in: 'header',
  name: 'Idempotency-Key',
  description: 'A repetition with the same key, within a day and at any instance, is answered as the first one was.',
  schema: { type: 'string', pattern: '^[!-~]{1,255}$' },
}

/** Adds to the document what the library leaves out: schemas, names of operations, header fields, and optional bodies. */
function finished(document: { paths?: object; components?: object }): object {
  const paths = Object.entries(document.paths ?? {}).map(([path, methods]): [string, object] => {
    const operations = Object.entries(methods as Record<string, Operation>).map(([method, operation]) => {
      const { requestBody, parameters = [], responses } = operation
      const mayBeEmpty = method === 'post' || method === 'delete'
      const body = requestBody === undefined ? {} : { requestBody: { ...requestBody, required: !mayBeEmpty } }
      const isPassedOn = path.endsWith('{path}')
      const fields = [
        ...('412' in responses ? [IF_MATCH] : []),
        ...(method === 'post' && !isPassedOn ? [IDEMPOTENCY_KEY] : []),
      ]
      const all = { parameters: [...parameters, ...fields] }
      return [method, { operationId: operationId(method, path), ...operation, ...all, ...body }]
    })
    return [path, Object.fromEntries(operations)]
  })
  const components = { ...document.components, schemas: answers }
  return { ...document, paths: Object.fromEntries(paths), components }
}

/** `post`, `/api/services/{service}/switch` → `postServicesByServiceSwitch`. */
function operationId(method: string, path: string): string {
  const words = path.split('/').filter((word) => word !== '' && word !== 'api')
  const named = words.map((word) => word.replace(/^\{(.+)\}$/, 'by-$1').replaceAll(/[^A-Za-z]+(.?)/g, upper))
  return method + named.map((word) => upper('', word.charAt(0)) + word.slice(1)).join('')
}

function upper(_match: string, letter: string): string {
  return letter.toUpperCase()
}
