import type { BlockList } from 'node:net'
import type { ClientEnds } from '../../net/proxy-header.ts'
import type { Client } from './client.ts'
import { clientAddress, UNIX } from './client-address.ts'

/**
 * The two ends of a client's connection, for servers that get PROXY headers. The port of a client behind a trusted proxy
 * is unknown: X-Forwarded-For has addresses alone.
 */
export function clientEnds(
  client: Pick<Client, 'address' | 'trusted' | 'port' | 'localAddress' | 'localPort'>,
  forwardedFor: string,
  trusted: BlockList,
): ClientEnds {
  const source = clientAddress(client, forwardedFor, trusted)
  return {
    source: source === UNIX ? '' : withoutZone(source),
    sourcePort: source === client.address ? client.port : 0,
    destination: withoutZone(client.localAddress),
    destinationPort: Number(client.localPort),
  }
}

/** An address without the zone of a link (`fe80::1%eth0`). */
function withoutZone(address: string): string {
  const zoneAt = address.indexOf('%')
  return zoneAt === -1 ? address : address.slice(0, zoneAt)
}
