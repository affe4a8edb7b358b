import type { MessageRefusal } from '../http1/refusal.ts'
import type { RequestReader } from '../http1/request-reader.ts'
import type { Client } from './client/client.ts'
import { clientAddress } from './client/client-address.ts'
import { newRequestId } from './client/request-id.ts'
import type { ProxyContext } from './context.ts'
import { type OwnAnswer, ownAnswer } from './own-answer.ts'

/**
 * Returns the response to a request whose head is malformed, so that it never becomes an `Exchange`. Counts and logs it
 * like any other.
 */
export function refuseRequest(
  context: ProxyContext,
  client: Client,
  refusal: MessageRefusal,
  { method, target }: Pick<RequestReader, 'method' | 'target'>,
): OwnAnswer {
  const requestId = newRequestId()
  const answer = ownAnswer(refusal.status, refusal.text, 'http_request_denied', requestId)
  const { status, code, body } = answer
  context.unrouted.ended(status, 0, 'ok')
  context.accessLog?.log({
    atMs: Date.now(),
    client: clientAddress(client, '', context.trustedProxies),
    method,
    target,
    host: '',
    head: null,
    status,
    grpcStatus: null,
    bytes: method === 'HEAD' ? 0 : body.length,
    durationMs: 0,
    queueMs: 0,
    heldMs: 0,
    connectMs: null,
    firstByteMs: null,
    service: '',
    pool: '',
    version: '',
    server: '',
    attempts: 0,
    requestId,
    traceId: '',
    error: code,
    tls: client.tls,
    tags: null,
  })
  return answer
}
