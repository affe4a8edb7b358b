import type { Duplex } from 'node:stream'
import type { ResponseStart } from '../http1/outbound-call.ts'
import type { Client } from './client/client.ts'
import type { ClientStream } from './client/client-stream.ts'
import type { RequestHead } from './client/request-head.ts'
import { switchLines } from './client/respond.ts'
import type { ProxyContext } from './context.ts'
import type { PolicySubject } from './policy-lines.ts'
import type { Tries } from './routing/tries.ts'
import { Tunnel, type TunnelOwner } from './tunnel.ts'
import type { UnderWay } from './upstream/target.ts'

/** A request whose server has agreed to switch protocols. */
export interface Upgraded extends TunnelOwner, UnderWay, PolicySubject {
  readonly stream: Pick<ClientStream, 'switchProtocols'>
  readonly client: Client
  readonly head: Pick<RequestHead, 'host' | 'upgrade'>
}

/**
 * Switches the client's connection to the protocol as well, and forwards bytes both ways. The tunnel takes the place of the
 * request at the server. `response`: that of the server; `early`: what it has sent in the new protocol. Returns null, and
 * closes the server's connection, if a hook has failed.
 */
export function openTunnel(
  context: ProxyContext,
  request: Upgraded,
  { target, route }: Pick<Tries, 'target' | 'route'>,
  { status, fields }: Pick<ResponseStart, 'status' | 'fields'>,
  server: Duplex,
  early: readonly Buffer[],
): Tunnel | null {
  const lines = switchLines(fields, status, request)
  if (lines === null) {
    server.destroy()
    return null
  }
  request.client.tunnelled = true
  const client = request.stream.switchProtocols(lines)
  const staysAtDrain = route.table.drain.websockets === 'keep'
  const ends = { client: client.socket, clientEarly: client.early, server, serverEarly: early }
  const tunnel = new Tunnel(context, ends, { protocol: request.head.upgrade, staysAtDrain }, request)
  target?.replace(request, tunnel)
  return tunnel
}
