import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type { TSchema } from 'typebox'

/** What the OpenAPI document says beside the routes. */
export function documented(version: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Cutover',
        version,
        description: 'Switch, shift and drain traffic between pools of servers without losing a request.',
        license: { name: 'MIT' },
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
  }
}

/** A schema as plain JSON Schema: what our reader needs beside it is left out. */
export function published(schema: TSchema): object {
  return JSON.parse(
    JSON.stringify(schema, (key, value: unknown) => (key.startsWith('~') ? undefined : value)),
  ) as object
}

/** Every failure is a problem document. */
const failure = {
  description: 'What went wrong and what to do instead (RFC 9457)',
  content: {
    'application/problem+json': {
      schema: {
        type: 'object',
        properties: {
          type: { type: 'string' },
          title: { type: 'string' },
          status: { type: 'integer' },
          detail: { type: 'string' },
        },
      },
    },
  },
}

export interface Described {
  readonly tag: 'services' | 'traffic' | 'servers' | 'instance'
  readonly summary: string
  readonly body?: TSchema
  readonly query?: TSchema
}

/** A route's entry in the OpenAPI document. */
export function describe({ tag, summary, body, query }: Described): object {
  return {
    tags: [tag],
    summary,
    ...(body === undefined ? {} : { body: published(body) }),
    ...(query === undefined ? {} : { querystring: published(query) }),
    response: { 200: { description: 'Done', type: 'object', additionalProperties: true }, default: failure },
  }
}
