import { isIPv4, isIPv6 } from 'node:net'
import type { Endpoint, Reading } from './header.ts'
import { canonicalAddress, INCOMPLETE, invalid, withoutAddresses } from './header.ts'

export const TEXT_SIGNATURE = Buffer.from('PROXY ')

/** Max length of the line, including CRLF. */
const MAX_BYTES = 107
const CR = 0x0d
const LF = 0x0a
const PORT = /^(?:0|[1-9][0-9]{0,4})$/

/** Parses a header of version 1 (§2.1) whose signature has been checked. */
export function parseText(bytes: Buffer): Reading {
  const end = Math.min(bytes.length, MAX_BYTES - 1)
  for (let i = TEXT_SIGNATURE.length; i < end; i++) {
    const byte = bytes[i] as number
    if (byte === CR) {
      if (i + 1 === bytes.length) return INCOMPLETE
      return bytes[i + 1] === LF
        ? parseLine(bytes.toString('latin1', TEXT_SIGNATURE.length, i), i + 2)
        : invalid('a CR without LF')
    }
    if (byte < 0x20 || byte > 0x7e) return invalid('not a line of ASCII text')
  }
  return bytes.length < MAX_BYTES ? INCOMPLETE : invalid(`a line of more than ${MAX_BYTES} bytes`)
}

function parseLine(line: string, length: number): Reading {
  // Anything after UNKNOWN must be ignored.
  if (line === 'UNKNOWN' || line.startsWith('UNKNOWN ')) return withoutAddresses(length)
  const [protocol, from = '', to = '', fromPort = '', toPort = '', ...more] = line.split(' ')
  if (protocol !== 'TCP4' && protocol !== 'TCP6') return invalid('not TCP4, TCP6 or UNKNOWN')
  if (more.length > 0) return invalid('more than two addresses and two ports')
  const family = protocol === 'TCP4' ? 'ipv4' : 'ipv6'
  const source = endpoint(family, from, fromPort)
  const destination = endpoint(family, to, toPort)
  if (source === null || destination === null) return invalid(`not an address and a port of ${protocol}`)
  return { kind: 'header', header: { source, destination, length } }
}

function endpoint(family: 'ipv4' | 'ipv6', address: string, port: string): Endpoint | null {
  // Node accepts a zone (fe80::1%eth0) as part of an address; in this header it is not allowed.
  const isAddress = family === 'ipv4' ? isIPv4(address) : isIPv6(address) && !address.includes('%')
  if (!isAddress || !PORT.test(port) || Number(port) > 0xffff) return null
  return { address: canonicalAddress(family, address), port: Number(port) }
}
