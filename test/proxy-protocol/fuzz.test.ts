import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseProxyHeader } from '../../src/proxy/proxy-protocol/parse.ts'
import { binaryHeader, checksummed, TEXT_HEADER } from './support.ts'

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((array) => Buffer.from(array))
const exactly = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Buffer.from(array))
const ports = fc.nat(65_535)
const tlvs = fc.array(
  fc.tuple(
    fc.nat(255).filter((type) => type !== 3),
    bytes(40),
  ),
  { maxLength: 4 },
)
const spellings = { version: fc.constantFrom('4' as const, '6' as const), zero: fc.boolean(), upper: fc.boolean() }

const textHeaders = fc.oneof(
  fc
    .tuple(fc.ipV4(), fc.ipV4(), ports, ports)
    .map(([from, to, fromPort, toPort]) => `PROXY TCP4 ${from} ${to} ${fromPort} ${toPort}\r\n`),
  fc
    .tuple(fc.ipV6(), fc.ipV6(), ports, ports)
    .map(([from, to, fromPort, toPort]) => `PROXY TCP6 ${from} ${to} ${fromPort} ${toPort}\r\n`)
    .filter((line) => line.length <= 107),
  fc.constant('PROXY UNKNOWN\r\n'),
)

const binaryHeaders = fc.oneof(
  fc.record({ command: fc.constant(0x21), family: fc.constant(0x11), addresses: exactly(12), tlvs }),
  fc.record({ command: fc.constant(0x21), family: fc.constant(0x21), addresses: exactly(36), tlvs }),
  fc.record({ command: fc.constant(0x21), family: fc.constant(0x31), addresses: exactly(216), tlvs }),
  fc.record({ command: fc.constant(0x20), family: fc.nat(255), addresses: bytes(50), tlvs }),
)

const headers = fc.oneof(
  textHeaders.map((text) => Buffer.from(text)),
  binaryHeaders.map(binaryHeader),
  binaryHeaders.map((sketch) => checksummed(sketch)),
)

/** Headers with some bytes changed, added or taken away. */
const damaged = fc
  .tuple(headers, fc.array(fc.tuple(fc.nat(), fc.nat(2), fc.nat(255)), { minLength: 1, maxLength: 4 }))
  .map(([header, damages]) => {
    const all = [...header]
    for (const [where, removed, byte] of damages) all.splice(where % (all.length + 1), removed, byte)
    return Buffer.from(all)
  })

const nearlyHeaders = fc.oneof(
  bytes(200),
  damaged,
  bytes(200).map((rest) => Buffer.concat([TEXT_HEADER.subarray(0, 6), rest])),
  fc
    .tuple(fc.constantFrom(0x20, 0x21), fc.constantFrom(0x11, 0x21, 0x31, 0x00), fc.nat(300), bytes(300))
    .map(([command, family, length, addresses]) => binaryHeader({ command, family, addresses, length })),
  fc.tuple(headers, bytes(200)).map((parts) => Buffer.concat(parts)),
)

test('every header is read, wherever it is cut, and leaves alone what follows', () => {
  fc.assert(
    fc.property(headers, bytes(100), (header, rest) => {
      const whole = parseProxyHeader(Buffer.concat([header, rest]))
      expect(whole).toMatchObject({ kind: 'header', header: { length: header.length } })
      expect(parseProxyHeader(header)).toEqual(whole)
      for (let end = 0; end < header.length; end++) {
        if (parseProxyHeader(header.subarray(0, end)).kind !== 'incomplete') throw new Error(`not incomplete at ${end}`)
      }
    }),
    { numRuns: 500 },
  )
})

test('whatever the bytes and however they come, the result is one and the same', () => {
  fc.assert(
    fc.property(nearlyHeaders, fc.array(fc.integer({ min: 1, max: 60 })), (all, steps) => {
      const whole = parseProxyHeader(all)
      let end = 0
      for (const step of [...steps, all.length]) {
        end = Math.min(end + step, all.length)
        const reading = parseProxyHeader(all.subarray(0, end))
        if (reading.kind !== 'incomplete' || end === all.length) {
          expect(reading).toEqual(whole)
          break
        }
      }
    }),
    { numRuns: 5_000 },
  )
})

test('what has been found does not change with more bytes', () => {
  fc.assert(
    fc.property(nearlyHeaders, bytes(100), (all, more) => {
      const reading = parseProxyHeader(all)
      if (reading.kind !== 'incomplete') expect(parseProxyHeader(Buffer.concat([all, more]))).toEqual(reading)
      if (reading.kind === 'header') expect(reading.header.length).toBeLessThanOrEqual(all.length)
    }),
    { numRuns: 5_000 },
  )
})

test('nothing is read that lies beyond the bytes', () => {
  fc.assert(
    fc.property(nearlyHeaders, bytes(300), fc.nat(20), (all, beyond, before) => {
      const memory = Buffer.concat([Buffer.alloc(before, 0x41), all, beyond])
      expect(parseProxyHeader(memory.subarray(before, before + all.length))).toEqual(parseProxyHeader(all))
    }),
    { numRuns: 5_000 },
  )
})

test('never throws, and is never incomplete beyond the longest header', () => {
  fc.assert(
    fc.property(fc.oneof(nearlyHeaders, bytes(5_000)), exactly(4_096), (all, more) => {
      parseProxyHeader(all)
      expect(parseProxyHeader(Buffer.concat([all, more])).kind).not.toBe('incomplete')
    }),
    { numRuns: 1_000 },
  )
})

test('an address is the same text in both versions, however it is spelled', () => {
  const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(groups, fc.record(spellings), (address, { zero, upper }) => {
      let text = address.map((group) => group.toString(16).padStart(zero ? 4 : 1, '0')).join(':')
      if (upper) text = text.toUpperCase()
      const sixteen = Buffer.from(address.flatMap((group) => [group >> 8, group & 0xff]))
      const addresses = Buffer.concat([sixteen, sixteen, Buffer.from([0, 1, 0, 2])])
      const binary = parseProxyHeader(binaryHeader({ family: 0x21, addresses }))
      const line = parseProxyHeader(Buffer.from(`PROXY TCP6 ${text} ${text} 1 2\r\n`))
      if (binary.kind !== 'header' || line.kind !== 'header') throw new Error('not read')
      expect(line.header.source).toEqual(binary.header.source)
      expect(line.header.destination).toEqual(binary.header.destination)
    }),
    { numRuns: 1_000 },
  )
})

test('no flipped bit of a checksummed address or value goes unnoticed', () => {
  fc.assert(
    fc.property(exactly(12), bytes(30), fc.nat(), (addresses, value, flip) => {
      const header = checksummed({ addresses }, [[0xe0, value]])
      // Addresses, the checksum itself, and the value behind it.
      const places = [...Array(12).keys()].map((i) => 16 + i).concat([31, 32, 33, 34])
      for (let i = 0; i < value.length; i++) places.push(38 + i)
      const at = places[(flip >> 3) % places.length] ?? 16
      header[at] = (header[at] ?? 0) ^ (1 << (flip & 7))
      expect(parseProxyHeader(header)).toEqual({ kind: 'invalid', reason: 'a wrong checksum' })
    }),
    { numRuns: 1_000 },
  )
})
