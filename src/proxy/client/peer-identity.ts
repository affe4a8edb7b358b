import type { BlockList, Socket } from 'node:net'
import { covers } from '../../model/networks.ts'
import type { ProxyHeader } from '../proxy-protocol/header.ts'
import { plainAddress } from '../proxy-protocol/header.ts'
import type { Client } from './client.ts'

interface Trust {
  readonly trustedProxies: BlockList
  /** Peers at socket files are trusted as well. */
  readonly trustsSocketFiles: boolean
}

/** Finds out who is at the other end of a connection. `header`: its PROXY header; null = none. */
export function peerIdentity(
  socket: Socket,
  header: ProxyHeader | null,
  { trustedProxies, trustsSocketFiles }: Trust,
): Pick<Client, 'address' | 'localPort' | 'trusted'> {
  const address = header?.source?.address ?? plainAddress(socket.remoteAddress ?? '')
  const localPort = String(header?.destination?.port ?? socket.localPort ?? '')
  const trusted = address === '' ? trustsSocketFiles : covers(trustedProxies, address)
  return { address, localPort, trusted }
}
