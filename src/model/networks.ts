import { BlockList, isIP } from 'node:net'

/** Builds the list of addresses that CIDRs such as `10.0.0.0/8` cover; a plain address covers itself. */
export function networks(cidrs: readonly string[]): BlockList {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/')
    const [family, width] = isIP(address) === 6 ? (['ipv6', 128] as const) : (['ipv4', 32] as const)
    list.addSubnet(address, bits === undefined ? width : Number(bits), family)
  }
  return list
}

/**
 * Whether `list` covers an address, including IPv4-mapped IPv6 (`::ffff:10.0.0.1`) and IPv6 with a zone
 * (`fe80::1%eth0`); false if `address` is not an IP address.
 */
export function covers(list: BlockList, address: string): boolean {
  const zoneAt = address.indexOf('%')
  const plain = zoneAt === -1 ? address : address.slice(0, zoneAt)
  const family = isIP(plain)
  if (family === 0 || (family === 4 && zoneAt !== -1)) return false
  return list.check(plain, family === 6 ? 'ipv6' : 'ipv4')
}
