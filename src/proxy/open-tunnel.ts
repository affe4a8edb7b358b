import type { Duplex } from 'node:stream'
import type { Client } from './client/client.ts'
import type { ClientStream } from './client/client-stream.ts'
import type { RequestHead } from './client/request-head.ts'
import type { ProxyContext } from './context.ts'
import type { Tries } from './routing/tries.ts'
import { Tunnel, type TunnelOwner } from './tunnel.ts'
import type { UnderWay } from './upstream/target.ts'

/** A request whose server has agreed to switch protocols. */
export interface Upgraded extends TunnelOwner, UnderWay {
  readonly stream: Pick<ClientStream, 'switchProtocols'>
  readonly client: Client
  readonly head: Pick<RequestHead, 'upgrade'>
}

/**
 * Switches the client's connection to the protocol as well, and forwards bytes both ways. The tunnel takes the place of the
 * request at the server. `lines`: field lines of the 101; `early`: what the server has sent in the new protocol.
 */
export function openTunnel(
  context: ProxyContext,
  request: Upgraded,
  { target, route }: Pick<Tries, 'target' | 'route'>,
  lines: string,
  server: Duplex,
  early: readonly Buffer[],
): Tunnel {
  request.client.tunnelled = true
  const client = request.stream.switchProtocols(lines)
  const staysAtDrain = route.table.drain.websockets === 'keep'
  const ends = { client: client.socket, clientEarly: client.early, server, serverEarly: early }
  const tunnel = new Tunnel(context, ends, { protocol: request.head.upgrade, staysAtDrain }, request)
  target?.replace(request, tunnel)
  return tunnel
}
