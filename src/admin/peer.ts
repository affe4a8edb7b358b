import { isIPv6 } from 'node:net'

/** What stands for the peers of a socket in the file system: they have no address. */
const UNIX = 'unix'
const MAPPED = '::ffff:'
/** Of an IPv6 address, what its owner cannot choose: the first 64 bits. */
const OWNED_GROUPS = 4

/** Who a peer's address belongs to, as far as an address says: IPv4 by itself, IPv6 by its /64, everybody else `unix`. */
export function peerOf(address: string | undefined): string {
  if (address === undefined || address === '') return UNIX
  if (address.startsWith(MAPPED) && address.includes('.')) return address.slice(MAPPED.length)
  return isIPv6(address) ? network64(address) : address
}

function network64(address: string): string {
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':')
    while (groups.length + rest.length < 8) groups.push('0')
    groups.push(...rest)
  }
  return `${groups.slice(0, OWNED_GROUPS).join(':')}::/64`
}
