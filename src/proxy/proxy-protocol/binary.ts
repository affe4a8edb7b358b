import { crc32c } from './crc32c.ts'
import type { Reading } from './header.ts'
import { canonicalAddress, INCOMPLETE, invalid, withoutAddresses } from './header.ts'

export const BINARY_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

const FIXED_BYTES = 16
/**
 * Max length of the whole header. The format allows 64 KiB, but senders stay below one segment. nginx has the same
 * limit.
 */
const MAX_BYTES = 4_096
const VERSION = 2
const LOCAL = 0
const PROXY = 1
const UNSPEC = 0
const INET = 1
const UNIX = 3
const STREAM = 1
/** Length of both addresses and ports, by family: unspecified, IPv4, IPv6, Unix. */
const ADDRESS_BYTES = [0, 12, 36, 216] as const
const TLV_FIXED_BYTES = 3
const TLV_CRC32C = 0x03
const CHECKSUM_BYTES = 4
const NO_CHECKSUM = Buffer.alloc(CHECKSUM_BYTES)

/** Parses a header of version 2 (§2.2) whose signature has been checked. */
export function parseBinary(bytes: Buffer): Reading {
  const versionAndCommand = bytes[12] as number
  const command = versionAndCommand & 0x0f
  if (versionAndCommand >> 4 !== VERSION) return invalid('not version 2')
  if (command !== LOCAL && command !== PROXY) return invalid('a command other than LOCAL and PROXY')

  const familyAndTransport = bytes[13]
  if (familyAndTransport === undefined) return INCOMPLETE
  const family = familyAndTransport >> 4
  const transport = familyAndTransport & 0x0f
  if (command === PROXY && family > UNIX) return invalid('an unknown address family')
  // Addresses of a datagram make no sense on a stream, so the sender is misconfigured.
  if (command === PROXY && transport > STREAM) return invalid('a transport other than a stream')

  if (bytes.length < FIXED_BYTES) return INCOMPLETE
  const length = FIXED_BYTES + bytes.readUInt16BE(14)
  // The rest of a header with LOCAL, or with an unspecified family or transport, must be ignored.
  const hasAddresses = command === PROXY && family !== UNSPEC && transport !== UNSPEC
  const addressBytes = hasAddresses ? (ADDRESS_BYTES[family] ?? 0) : 0
  if (length > MAX_BYTES) return invalid(`more than ${MAX_BYTES} bytes`)
  if (length < FIXED_BYTES + addressBytes) return invalid('shorter than its addresses')
  if (bytes.length < length) return INCOMPLETE

  if (!hasAddresses) return withoutAddresses(length)
  const header = bytes.subarray(0, length)
  const problem = extensionProblem(header, FIXED_BYTES + addressBytes)
  if (problem !== null) return invalid(problem)
  return family === UNIX ? withoutAddresses(length) : withAddresses(header, family)
}

/** Checks the TLVs of a header from `start` on. Returns the problem; null = there is none. */
function extensionProblem(header: Buffer, start: number): string | null {
  let checksumAt = 0
  for (let at = start; at < header.length; ) {
    const valueAt = at + TLV_FIXED_BYTES
    if (valueAt > header.length) return 'a truncated TLV'
    const next = valueAt + header.readUInt16BE(at + 1)
    if (next > header.length) return 'a TLV that is longer than the header'
    if (header[at] === TLV_CRC32C) {
      if (next - valueAt !== CHECKSUM_BYTES || checksumAt !== 0) return 'not exactly one checksum of four bytes'
      checksumAt = valueAt
    }
    at = next
  }
  return checksumAt === 0 || hasChecksum(header, checksumAt) ? null : 'a wrong checksum'
}

/** Verifies the checksum, which covers the whole header with zeros in place of itself (§2.2.3). */
function hasChecksum(header: Buffer, at: number): boolean {
  let sum = crc32c(header.subarray(0, at))
  sum = crc32c(NO_CHECKSUM, sum)
  sum = crc32c(header.subarray(at + CHECKSUM_BYTES), sum)
  return sum === header.readUInt32BE(at)
}

function withAddresses(header: Buffer, family: number): Reading {
  const bytes = family === INET ? 4 : 16
  const toAt = FIXED_BYTES + bytes
  const portsAt = toAt + bytes
  const source = { address: address(header.subarray(FIXED_BYTES, toAt)), port: header.readUInt16BE(portsAt) }
  const destination = { address: address(header.subarray(toAt, portsAt)), port: header.readUInt16BE(portsAt + 2) }
  return { kind: 'header', header: { source, destination, length: header.length } }
}

function address(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups: string[] = []
  for (let at = 0; at < bytes.length; at += 2) groups.push(bytes.readUInt16BE(at).toString(16))
  return canonicalAddress('ipv6', groups.join(':'))
}
