import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type { TSchema } from 'typebox'
import { type AnswerName, answers } from './schemas.ts'

/** What the OpenAPI document says beside the routes. */
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
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
      tags: [
        { name: 'services', description: 'What clients reach: pools, split and policies.' },
        { name: 'traffic', description: 'Which pool gets the requests.' },
        { name: 'servers', description: 'The nodes behind it.' },
        { name: 'instance', description: 'How this instance is.' },
      ],
    },
    transformObject: (document) => ('openapiObject' in document ? finished(document.openapiObject) : {}),
  }
}

/** What our reader needs in a schema, and nobody else. */
const INTERNAL = new Set(['errorMessage', 'nameMessage'])

/** A schema as plain JSON Schema. */
export function published(schema: TSchema): object {
  const visible = (key: string, value: unknown) => (key.startsWith('~') || INTERNAL.has(key) ? undefined : value)
  return JSON.parse(JSON.stringify(schema, visible)) as object
}

export interface Described {
  readonly tag: 'services' | 'traffic' | 'servers' | 'instance'
  readonly summary: string
  readonly body?: TSchema
  readonly query?: TSchema
  /** What 200 brings; without it, something else than JSON. */
  readonly answer?: AnswerName
  /** What 503 brings where that is no problem document. */
  readonly failing?: AnswerName
  /** Needs no token. */
  readonly open?: boolean
}

/** A route's entry in the OpenAPI document. */
export function describe({ tag, summary, body, query, answer, failing, open }: Described): object {
  return {
    tags: [tag],
    summary,
    ...(open === true ? { security: [] } : {}),
    ...(body === undefined ? {} : { body: published(body) }),
    ...(query === undefined ? {} : { querystring: published(query) }),
    response: {
      200: answer === undefined ? { description: 'Done', type: 'null' } : json('Done', answer),
      ...(failing === undefined ? {} : { 503: json('Not well', failing) }),
      default: {
        description: 'What went wrong and what to do instead (RFC 9457)',
        content: { 'application/problem+json': { schema: refTo('Problem') } },
      },
    },
  }
}

function json(description: string, answer: AnswerName): object {
  return { description, content: { 'application/json': { schema: refTo(answer) } } }
}

function refTo(answer: AnswerName): object {
  return { $ref: `#/components/schemas/${answer}` }
}

interface Operation {
  readonly requestBody?: object
}

/** The document with what the library leaves out: our schemas, names of operations, and which bodies may be left out. */
function finished(document: { paths?: object; components?: object }): object {
  const paths = Object.entries(document.paths ?? {}).map(([path, methods]): [string, object] => {
    const operations = Object.entries(methods as Record<string, Operation>).map(([method, operation]) => {
      const { requestBody } = operation
      const mayBeEmpty = method === 'post' || method === 'delete'
      const body = requestBody === undefined ? {} : { requestBody: { ...requestBody, required: !mayBeEmpty } }
      return [method, { operationId: operationId(method, path), ...operation, ...body }]
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
