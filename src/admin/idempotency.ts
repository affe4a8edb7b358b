import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { canonicalJson } from '../config/merge.ts'
import type { JsonObject } from '../model/state.ts'
import { Answers } from '../store/answers.ts'
import { StoreUnavailable } from '../store/store.ts'
import { sparing } from '../store/tell.ts'
import type { AdminContext } from './context.ts'
import { ApiProblem, invalidProblem } from './problems.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** For a request with an Idempotency-Key: the key of its answer, and a hash of its content; null = without. */
    idempotency: { readonly key: string; readonly fingerprint: string } | null
  }
}

/**
 * Answers a POST that is repeated with the same Idempotency-Key within a day as the first one was, at any instance. Only a
 * success is kept: a refusal has changed nothing, and its cause may be gone by the next time. (A change whose answer was
 * lost, or was still waited for, is not made twice either, since the change itself carries the key.)
 */
export function keepAnswers(api: FastifyInstance, { store, log }: AdminContext): void {
  /** Requests whose key already had an answer. */
  const answered = new WeakSet<FastifyRequest>()
  /** Answers to commands for this instance alone, which are kept here because the store is away. */
  const here = new Answers()
  const tell = sparing((level, message) => log[level](message))
  api.decorateRequest('idempotency', null)

  api.addHook('preHandler', async (request, reply) => {
    const given = request.headers['idempotency-key']
    if (given === undefined) return
    request.idempotency = identify(request, String(given))
    const { key, fingerprint } = request.idempotency
    const kept = isLocal(request) ? here.get(key) : await store.recall(key)
    if (kept === null) return
    answered.add(request)
    if (kept.fingerprint !== fingerprint) {
      const message = 'was used for another request; use a new key for a new request'
      throw invalidProblem([{ path: 'Idempotency-Key', message }])
    }
    await replay(reply, kept)
  })

  api.addHook('onSend', async (request, reply, payload) => {
    const { idempotency } = request
    if (idempotency === null || idempotency === undefined || answered.has(request)) return payload
    if (typeof payload !== 'string' || reply.statusCode >= 300) return payload
    const { key, fingerprint } = idempotency
    const type = String(reply.getHeader('content-type') ?? 'application/json')
    const etag = String(reply.getHeader('etag') ?? '')
    const answer = { fingerprint, status: reply.statusCode, type, etag, payload }
    if (isLocal(request)) {
      here.set(key, answer)
      return payload
    }
    await store.remember(key, answer).catch((error: unknown) => {
      if (!(error instanceof StoreUnavailable)) throw error
      tell('warn', `the answer to a request with an Idempotency-Key was not kept: ${error.message}`)
    })
    return payload
  })
}

function isLocal({ query }: FastifyRequest): boolean {
  return (query as { scope?: unknown }).scope === 'local'
}

async function replay(reply: FastifyReply, { status, type, etag, payload }: JsonObject): Promise<void> {
  reply.code(Number(status)).header('idempotency-replayed', 'true').type(String(type))
  if (etag !== '') reply.header('etag', String(etag))
  await reply.serializer((text: string) => text).send(String(payload))
}

/** Throws 400. */
function identify(request: FastifyRequest, given: string): { key: string; fingerprint: string } {
  if (request.method !== 'POST') {
    throw new ApiProblem(
      400,
      'Not for this method',
      'Idempotency-Key is for POST; other methods can be repeated without it.',
    )
  }
  if (!/^[\x21-\x7e]{1,255}$/.test(given)) {
    throw new ApiProblem(
      400,
      'Malformed Idempotency-Key',
      'Idempotency-Key must be 1 to 255 characters without blanks.',
    )
  }
  const [path = '', query = ''] = request.url.split('?')
  // The time to wait may differ between a request and its repetition.
  const parameters = new URLSearchParams(query)
  parameters.delete('wait')
  parameters.sort()
  const body = canonicalJson((request.body ?? {}) as JsonObject)
  return {
    key: hash(`${request.actor.name}\n${path}\n${given}`),
    fingerprint: hash(`${path}?${parameters}\n${body}`),
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}
