import type { BlockList } from 'node:net'
import { isIP } from 'node:net'
import { covers } from '../../model/networks.ts'
import type { Client } from './client.ts'

/** Address that the log shows for a peer at a socket file. */
export const UNIX = 'unix'

/** An address with the client's port behind it, as some gateways send it: `192.0.2.1:5000`, `[2001:db8::1]:5000`. */
const WITH_PORT = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d{1,5})?$/

/**
 * The client's address: the peer's, or, behind trusted proxies, the first entry of X-Forwarded-For from the right that
 * is not a trusted proxy itself. An entry that is no IP address ends the search: neither it nor the entries left of it
 * can be trusted, so the client is the proxy that sent it.
 */
export function clientAddress(
  connection: Pick<Client, 'address' | 'trusted'>,
  forwardedFor: string,
  trusted: BlockList,
): string {
  let client = connection.address === '' ? UNIX : connection.address
  if (!connection.trusted || forwardedFor === '') return client
  const hops = forwardedFor.split(',')
  for (let i = hops.length - 1; i >= 0; i--) {
    const address = addressOf((hops[i] as string).trim())
    if (address === null) return client
    client = address
    if (!covers(trusted, address)) return client
  }
  return client
}

/** Returns the IP address in an entry, without its port and zone (`%eth0`); null if there is none. */
function addressOf(entry: string): string | null {
  if (isPlainAddress(entry)) return entry
  const [, bracketed, plain] = WITH_PORT.exec(entry) ?? []
  const address = bracketed ?? plain ?? ''
  return isPlainAddress(address) ? address : null
}

function isPlainAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%')
}
