import { isIPv6 } from 'node:net'

/** Stands for all peers at a socket file, which have no address. */
const UNIX = 'unix'
const MAPPED = '::ffff:'
/** Groups of an IPv6 address that its owner cannot choose: the first 64 bits. */
const OWNED_GROUPS = 4

/** Groups peers by owner: an IPv4 address stands for itself, an IPv6 address for its /64, and no address for `unix`. */
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
