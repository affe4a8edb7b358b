import type { OutboundRequest } from '../../http1/outbound-call.ts'
import type { Client } from '../client/client.ts'
import type { ClientStream } from '../client/client-stream.ts'
import type { ForwardingPolicy, RequestHead } from '../client/request-head.ts'

/** A request that is forwarded. */
export interface Forwarded {
  readonly stream: Pick<ClientStream, 'method' | 'body'>
  readonly client: Client
  readonly head: RequestHead
  readonly requestId: string
  /** Path and query for the server. */
  readonly path: string
  /** The part of the path that was stripped. */
  readonly prefix: string
}

/** Builds the request for a server. `host`: the server's, for a client that names none. */
export function requestFor(
  { stream, client, head, requestId, path, prefix }: Forwarded,
  policy: ForwardingPolicy,
  host: string,
): OutboundRequest {
  const { kind } = stream.body.framing
  return {
    method: stream.method,
    path,
    lines: head.linesFor(client, requestId, prefix, policy, host),
    body: kind === 'chunked' || kind === 'length' ? kind : 'none',
    upgrade: head.upgrade,
  }
}
