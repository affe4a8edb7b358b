import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import type { ProxyProtocol } from '../model/server-address.ts'

/** The two ends of a client's connection. */
export interface ClientEnds {
  /** Address of the client, without a zone; empty = it has none, as at a socket file. */
  readonly source: string
  /** 0 = unknown. */
  readonly sourcePort: number
  /** The address that the client connected to; empty = none. */
  readonly destination: string
  readonly destinationPort: number
}

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** Version 2 in the upper half, the command in the lower. */
const LOCAL = 0x20
const PROXY = 0x21
/** Family in the upper half, stream in the lower. */
const UNSPEC = 0x00
const TCP4 = 0x11
const TCP6 = 0x21

/**
 * Makes the header that begins a connection, by the PROXY protocol of HAProxy (proxy-protocol.txt 2.1 and 2.2). `client`:
 * null = the connection is one of Cutover itself, such as that of a health check.
 */
export function proxyHeader(version: ProxyProtocol, client: ClientEnds | null): Buffer {
  const family = client === null ? null : familyOf(client)
  if (client === null || family === null)
    return version === 'v1' ? Buffer.from('PROXY UNKNOWN\r\n') : binary(client === null ? LOCAL : PROXY, UNSPEC)
  const { sourcePort, destinationPort } = client
  const [source, destination] = [inFamily(family, client.source), inFamily(family, client.destination)]
  if (version === 'v1') {
    const name = family === 'ipv4' ? 'TCP4' : 'TCP6'
    return Buffer.from(`PROXY ${name} ${source} ${destination} ${sourcePort} ${destinationPort}\r\n`)
  }
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(sourcePort, 0)
  ports.writeUInt16BE(destinationPort, 2)
  const addresses = [bytesOf(source), bytesOf(destination), ports]
  return binary(PROXY, family === 'ipv4' ? TCP4 : TCP6, Buffer.concat(addresses))
}

/** The family of both ends; IPv6 if they differ, in which an IPv4 address can be written. null = one end is no IP address. */
function familyOf({ source, destination }: ClientEnds): 'ipv4' | 'ipv6' | null {
  if (isIPv4(source) && isIPv4(destination)) return 'ipv4'
  const areAddresses = [source, destination].every((each) => isIPv4(each) || isIPv6(each))
  return areAddresses ? 'ipv6' : null
}

function inFamily(family: 'ipv4' | 'ipv6', address: string): string {
  return family === 'ipv6' && isIPv4(address) ? `::ffff:${address}` : address
}

function binary(command: number, family: number, addresses = Buffer.alloc(0)): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(addresses.length)
  return Buffer.concat([SIGNATURE, Buffer.from([command, family]), length, addresses])
}

/** An address in network byte order. */
function bytesOf(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const bytes = Buffer.alloc(16)
  for (const [index, group] of groupsOf(address).entries()) bytes.writeUInt16BE(group, index * 2)
  return bytes
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): readonly number[] {
  // The system's notation has an IPv4 tail for mapped addresses alone.
  const { address: plain } = new SocketAddress({ family: 'ipv6', address })
  const [, before = plain, tail = ''] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(plain) ?? []
  const words = tail === '' ? [] : wordsOf(tail)
  const [head = '', rest] = before.replace(/(?<!:):$/, '').split('::')
  const left = parsed(head)
  const right = [...parsed(rest ?? ''), ...words]
  if (rest === undefined) return [...left, ...words]
  return [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right]
}

function parsed(groups: string): number[] {
  return groups === '' ? [] : groups.split(':').map((group) => Number.parseInt(group, 16))
}

function wordsOf(ipv4: string): number[] {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number)
  return [a * 256 + b, c * 256 + d]
}
