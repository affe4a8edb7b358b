import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { clipped } from '../config/problems.ts'
import { OutcomeUnknown, StoreUnavailable, StoreUnwritable } from '../store/store.ts'
import type { AdminContext } from './context.ts'
import { ApiProblem } from './problems.ts'

export const MAX_BODY_BYTES = 1024 * 1024

/** Answers with the problem document for an error. */
export function sendProblem(
  context: AdminContext,
  reply: FastifyReply,
  error: FastifyError | ApiProblem,
): FastifyReply {
  const problem = problemOf(reply.request, error)
  if (problem.status === 500) context.log.error({ err: error }, 'a request to the admin API failed')
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="cutover"')
  if (problem.status === 503) reply.header('retry-after', '1')
  return reply.code(problem.status).type('application/problem+json').send(problem.toJSON())
}

function problemOf(request: FastifyRequest, error: FastifyError | ApiProblem): ApiProblem {
  if (error instanceof ApiProblem) return error
  if (error instanceof OutcomeUnknown) {
    const detail = `${sentence(error.message)} The change may have been made or not: look at the state when the store is back. Repeating it is safe with the same Idempotency-Key.`
    return new ApiProblem(503, 'Outcome unknown', detail)
  }
  if (error instanceof StoreUnwritable) {
    const detail = `${sentence(error.message)} Nothing was changed. To change this instance alone meanwhile: ?scope=local on switch, drain and enable.`
    return new ApiProblem(503, 'The store takes no changes', detail)
  }
  if (error instanceof StoreUnavailable) {
    const detail = `${sentence(error.message)} Nothing was changed; try again. To change this instance alone meanwhile: ?scope=local on switch, drain and enable.`
    return new ApiProblem(503, 'The store is away', detail)
  }
  const status = error.statusCode ?? 500
  if (status === 413) return new ApiProblem(413, 'Body too large', `A body may have at most ${MAX_BODY_BYTES} bytes.`)
  if (status === 415) return notJson(request)
  if (status >= 400 && status < 500) return new ApiProblem(status, 'Bad request', error.message)
  return new ApiProblem(500, 'Internal error', 'This is a bug in Cutover; the log has the error.')
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`.replace(/\.\.$/, '.')
}

/** 415 for a body that is not JSON. */
export function notJson({ headers }: FastifyRequest): ApiProblem {
  const type = headers['content-type']
  const given = type === undefined ? 'this one does not say what it is' : `not ${clipped(type, 100)}`
  const detail = `The body must be JSON, ${given}: send -H 'content-type: application/json', or use curl --json.`
  return new ApiProblem(415, 'Unexpected content type', detail)
}
