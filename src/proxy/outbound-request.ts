import type { OutboundRequest } from '../http1/outbound-call.ts'
import type { ClientStream } from './client/client-stream.ts'
import type { RequestHead } from './client/request-head.ts'
import { editRequestLines, type PolicySubject } from './policy-lines.ts'

/** A request of a client that is sent to a server. */
export interface Forwarded extends PolicySubject {
  readonly stream: Pick<ClientStream, 'method' | 'body'>
  readonly head: Pick<RequestHead, 'host' | 'upgrade' | 'takesTrailers'>
  /** Path and query for the server. */
  readonly path: string
  /** Field lines for the server, the same for all tries. */
  readonly lines: string
}

/** Builds a request for a server. `host`: for Host if the client names none. Returns null if a hook has failed. */
export function outboundRequest(request: Forwarded, host: string): OutboundRequest | null {
  const { stream, head, path } = request
  const named = head.host === '' ? `host: ${host}\r\n${request.lines}` : request.lines
  const lines = editRequestLines(named, request)
  if (lines === null) return null
  const { kind } = stream.body.framing
  const body = kind === 'close' ? 'unknown' : kind
  return { method: stream.method, path, lines, body, upgrade: head.upgrade, takesTrailers: head.takesTrailers }
}
