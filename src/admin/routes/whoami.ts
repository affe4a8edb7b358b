import type { FastifyInstance } from 'fastify'
import type { AdminContext } from '../context.ts'
import { describe } from '../openapi.ts'

/** The caller, as the history would name it, and what it may do. */
export function whoamiRoutes(api: FastifyInstance, { self, version }: AdminContext): void {
  const schema = describe({
    tag: 'instance',
    summary: 'Name and role of the token that asks, and the instance that answers',
    answer: 'Caller',
  })
  api.get('/api/whoami', { schema }, (request) => ({ ...request.actor, instance: self.name, version }))
}
