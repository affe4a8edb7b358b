import { describe, expect, test } from 'vitest'
import { crc32c } from '../../src/proxy/proxy-protocol/crc32c.ts'
import { parseProxyHeader } from '../../src/proxy/proxy-protocol/parse.ts'
import { binaryHeader, checksummed, IPV4, IPV6, type Sketch, type Tlvs } from './support.ts'

const read = (sketch: Sketch) => parseProxyHeader(binaryHeader(sketch))
const outcome = (bytes: Buffer) => {
  const reading = parseProxyHeader(bytes)
  return reading.kind === 'invalid' ? reading.reason : reading.kind
}

const UNIX = Buffer.alloc(216, '/run/client.sock')
const ALPN = [0x01, Buffer.from('http/1.1')] as const
const NOOP = [0x04, Buffer.alloc(0)] as const

test('addresses and ports of IPv4', () => {
  expect(parseProxyHeader(Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000201c633640204571f90', 'hex'))).toEqual({
    kind: 'header',
    header: {
      source: { address: '192.0.2.1', port: 1111 },
      destination: { address: '198.51.100.2', port: 8080 },
      length: 28,
    },
  })
})

test('addresses and ports of IPv6', () => {
  expect(read({ family: 0x21, addresses: IPV6 })).toEqual({
    kind: 'header',
    header: {
      source: { address: '2001:db8::1', port: 1111 },
      destination: { address: '2001:db8::2', port: 8080 },
      length: 52,
    },
  })
})

test.each([
  ['00'.repeat(16), '::'],
  [`${'00'.repeat(15)}01`, '::1'],
  ['ff'.repeat(16), 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['20010db8000000010000000000000001', '2001:db8:0:1::1'],
  // An IPv4 client, where the other end is IPv6.
  [`${'00'.repeat(10)}ffffc0000201`, '192.0.2.1'],
])('%s is %s', (hex, address) => {
  const addresses = Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(16), Buffer.from([0, 0, 0xff, 0xff])])
  const header = { source: { address, port: 0 }, destination: { address: '::', port: 65_535 }, length: 52 }
  expect(read({ family: 0x21, addresses })).toEqual({ kind: 'header', header })
})

test.each<[string, Sketch, number]>([
  ['LOCAL', { command: 0x20, family: 0x00, addresses: Buffer.alloc(0) }, 16],
  ['LOCAL with addresses, which are not the client’s', { command: 0x20 }, 28],
  ['LOCAL with a family that there is not', { command: 0x20, family: 0xff }, 28],
  ['LOCAL with fewer bytes than its family has', { command: 0x20, addresses: IPV4.subarray(0, 5) }, 21],
  ['LOCAL with what is no TLV', { command: 0x20, addresses: Buffer.from([1, 2]) }, 18],
  ['an unspecified family and transport', { family: 0x00, addresses: Buffer.alloc(0) }, 16],
  ['an unspecified family and transport, with bytes', { family: 0x00, addresses: Buffer.alloc(7, 0xff) }, 23],
  ['an unspecified family', { family: 0x01, addresses: Buffer.alloc(3, 0xff) }, 19],
  ['an unspecified transport', { family: 0x10, addresses: Buffer.alloc(3, 0xff) }, 19],
  ['Unix sockets', { family: 0x31, addresses: UNIX }, 232],
  ['Unix sockets, and TLVs', { family: 0x31, addresses: UNIX, tlvs: [ALPN] }, 243],
])('names no client: %s', (_, sketch, length) => {
  expect(read(sketch)).toEqual({ kind: 'header', header: { source: null, destination: null, length } })
})

describe('is refused:', () => {
  test.each<[string, Sketch, string]>([
    ['version 1', { command: 0x11 }, 'not version 2'],
    ['version 3', { command: 0x31 }, 'not version 2'],
    ['version 0', { command: 0x01 }, 'not version 2'],
    ['command 2', { command: 0x22 }, 'a command other than LOCAL and PROXY'],
    ['command 15', { command: 0x2f }, 'a command other than LOCAL and PROXY'],
    ['family 4', { family: 0x41 }, 'an unknown address family'],
    ['family 15', { family: 0xf1 }, 'an unknown address family'],
    ['UDP over IPv4', { family: 0x12 }, 'a transport other than a stream'],
    ['UDP over IPv6', { family: 0x22, addresses: IPV6 }, 'a transport other than a stream'],
    ['Unix datagrams', { family: 0x32, addresses: UNIX }, 'a transport other than a stream'],
    ['transport 3', { family: 0x13 }, 'a transport other than a stream'],
    ['transport 15', { family: 0x1f }, 'a transport other than a stream'],
    ['IPv4 without a byte', { addresses: IPV4.subarray(1) }, 'shorter than its addresses'],
    ['IPv4 of no bytes', { addresses: Buffer.alloc(0) }, 'shorter than its addresses'],
    ['IPv4 addresses under IPv6', { family: 0x21 }, 'shorter than its addresses'],
    ['IPv6 without a byte', { family: 0x21, addresses: IPV6.subarray(1) }, 'shorter than its addresses'],
    ['Unix without a byte', { family: 0x31, addresses: UNIX.subarray(1) }, 'shorter than its addresses'],
    ['the longest that could be', { length: 65_535 }, 'more than 4096 bytes'],
    ['one byte more than may be', { length: 4_081 }, 'more than 4096 bytes'],
    ['one byte more than may be, of LOCAL', { command: 0x20, length: 4_081 }, 'more than 4096 bytes'],
  ])('%s', (_, sketch, reason) => {
    expect(outcome(binaryHeader(sketch))).toBe(reason)
  })

  test.each([0, 4, 11])('another byte %i of the signature', (at) => {
    const header = binaryHeader()
    header[at] = 0x58
    expect(outcome(header)).toBe('no PROXY header')
    expect(outcome(header.subarray(0, at + 1))).toBe('no PROXY header')
  })

  test('at the first byte that is wrong, without waiting for more', () => {
    expect(outcome(binaryHeader({ command: 0x31 }).subarray(0, 13))).toBe('not version 2')
    expect(outcome(binaryHeader({ family: 0x41 }).subarray(0, 14))).toBe('an unknown address family')
    expect(outcome(binaryHeader({ length: 4_081 }).subarray(0, 16))).toBe('more than 4096 bytes')
    expect(outcome(binaryHeader({ length: 11 }).subarray(0, 16))).toBe('shorter than its addresses')
  })
})

describe('TLVs', () => {
  test.each<[string, Tlvs, number]>([
    ['one', [ALPN], 39],
    ['an empty one', [NOOP], 31],
    ['several, of known and unknown types', [ALPN, NOOP, [0x20, Buffer.alloc(40)], [0xff, Buffer.alloc(9)]], 97],
    ['up to the limit', [[0xe0, Buffer.alloc(4_096 - 31)]], 4_096],
  ])('are skipped: %s', (_, tlvs, length) => {
    const header = binaryHeader({ tlvs })
    expect(header).toHaveLength(length)
    expect(parseProxyHeader(Buffer.concat([header, Buffer.from('GET')]))).toMatchObject({
      kind: 'header',
      header: { length },
    })
    expect(outcome(header.subarray(0, -1))).toBe('incomplete')
  })

  test.each([
    ['one byte', '01', 'a truncated TLV'],
    ['two bytes', '0100', 'a truncated TLV'],
    ['two bytes behind another', '04000001' + '00', 'a truncated TLV'],
    ['one byte too few', '010002aa', 'a TLV that is longer than the header'],
    ['the longest', '01ffff', 'a TLV that is longer than the header'],
    ['the second too long', '040000' + '010001', 'a TLV that is longer than the header'],
  ])('do not reach beyond the header: %s', (_, hex, reason) => {
    const addresses = Buffer.concat([IPV4, Buffer.from(hex, 'hex')])
    // What follows the header is not the TLV's.
    expect(outcome(Buffer.concat([binaryHeader({ addresses }), Buffer.alloc(70_000)]))).toBe(reason)
  })
})

describe('the checksum', () => {
  test('is CRC32c', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
    // RFC 3720 B.4
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
    expect(crc32c(Buffer.from('6789'), crc32c(Buffer.from('12345')))).toBe(0xe3069283)
    expect(crc32c(Buffer.alloc(0))).toBe(0)
  })

  test.each<[string, Buffer]>([
    ['alone', checksummed()],
    ['first', checksummed({}, [ALPN])],
    ['last', checksummed({ tlvs: [ALPN, NOOP] })],
    ['in the middle', checksummed({ tlvs: [ALPN] }, [NOOP, ALPN])],
    ['of IPv6', checksummed({ family: 0x21, addresses: IPV6 })],
    ['of Unix sockets', checksummed({ family: 0x31, addresses: UNIX })],
    ['of a header that goes to the limit', checksummed({ tlvs: [[0xe0, Buffer.alloc(4_096 - 38, 7)]] })],
  ])('is right: %s', (_, header) => {
    expect(outcome(header)).toBe('header')
    expect(outcome(Buffer.concat([header, Buffer.from('more')]))).toBe('header')
  })

  test('that is wrong makes the header invalid', () => {
    for (const flipped of [16, 19, 25, 31, 34, 40]) {
      const header = checksummed({}, [ALPN])
      header[flipped] = (header[flipped] ?? 0) ^ 0x10
      expect(outcome(header), `byte ${flipped}`).toBe('a wrong checksum')
    }
    expect(outcome(binaryHeader({ tlvs: [[0x03, Buffer.alloc(4)]] }))).toBe('a wrong checksum')
  })

  test.each<[string, Tlvs]>([
    ['three bytes', [[0x03, Buffer.alloc(3)]]],
    ['five bytes', [[0x03, Buffer.alloc(5)]]],
    ['no bytes', [[0x03, Buffer.alloc(0)]]],
  ])('has four bytes, not %s', (_, tlvs) => {
    expect(outcome(binaryHeader({ tlvs }))).toBe('not exactly one checksum of four bytes')
  })

  test('is there once', () => {
    expect(outcome(checksummed({ tlvs: [[0x03, Buffer.alloc(4)]] }))).toBe('not exactly one checksum of four bytes')
  })
})
