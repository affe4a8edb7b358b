import { clientAddress } from './client/client-address.ts'
import type { ClientConnection } from './client/client-connection.ts'
import type { Refusal } from './client/guard.ts'
import { headText } from './client/head-text.ts'
import type { RequestLine } from './client/parser-errors.ts'
import { newRequestId } from './client/request-id.ts'
import type { DataPlane } from './data-plane.ts'
import { ownAnswer } from './own-answer.ts'

/**
 * Refuses a request that never becomes an `Exchange`: it is malformed, or a CONNECT. The response is sent after those
 * to earlier requests, counted and logged like any other, and the connection ends with it. `line`: null = the
 * connection was silent, and there is no request to count.
 */
export function refuseRequest(
  plane: DataPlane,
  connection: ClientConnection,
  refusal: Refusal,
  line: RequestLine | null,
): void {
  connection.refuse(refusal, () => {
    const requestId = newRequestId()
    const { status, code, body, fields } = ownAnswer(refusal.status, refusal.text, 'http_request_denied', requestId)
    if (line !== null) {
      plane.unrouted.observe(status, 0)
      plane.accessLog?.log({
        atMs: Date.now(),
        client: clientAddress(connection, '', plane.trustedProxies),
        ...line,
        status,
        bytes: body.length,
        durationMs: 0,
        queueMs: 0,
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
      })
    }
    return `${headText(status, [...fields, 'connection', 'close'])}${line?.method === 'HEAD' ? '' : body}`
  })
}
