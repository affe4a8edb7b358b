import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ClientEnds, proxyHeader } from '../../src/net/proxy-header.ts'
import { plainAddress } from '../../src/proxy/proxy-protocol/header.ts'
import { parseProxyHeader } from '../../src/proxy/proxy-protocol/parse.ts'

const IPV4: ClientEnds = { source: '192.0.2.1', sourcePort: 1111, destination: '198.51.100.2', destinationPort: 8080 }

test('version 1, byte for byte', () => {
  const text = (client: ClientEnds | null): string => proxyHeader('v1', client).toString()
  expect(text(IPV4)).toBe('PROXY TCP4 192.0.2.1 198.51.100.2 1111 8080\r\n')
  expect(text({ ...IPV4, source: '2001:db8::1', destination: '::1' })).toBe('PROXY TCP6 2001:db8::1 ::1 1111 8080\r\n')
  expect(text({ ...IPV4, source: '2001:db8::1' })).toBe('PROXY TCP6 2001:db8::1 ::ffff:198.51.100.2 1111 8080\r\n')
  expect(text({ ...IPV4, source: '' })).toBe('PROXY UNKNOWN\r\n')
  expect(text(null)).toBe('PROXY UNKNOWN\r\n')
})

test('version 2, byte for byte', () => {
  const hex = (client: ClientEnds | null): string => proxyHeader('v2', client).toString('hex')
  const signature = '0d0a0d0a000d0a515549540a'
  expect(hex(IPV4)).toBe(`${signature}2111000cc0000201c633640204571f90`)
  expect(hex(null)).toBe(`${signature}20000000`)
  expect(hex({ ...IPV4, source: '' })).toBe(`${signature}21000000`)
  expect(hex({ ...IPV4, source: '2001:db8::1' })).toBe(
    `${signature}21210024${'20010db8'}${'00'.repeat(11)}01${'00'.repeat(10)}ffffc633640204571f90`,
  )
})

test('what is sent is what our own listener reads, for any address', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6())
  const port = fc.nat(65_535)
  fc.assert(
    fc.property(address, port, address, port, fc.constantFrom('v1' as const, 'v2' as const), (...drawn) => {
      const [source, sourcePort, destination, destinationPort, version] = drawn
      const header = proxyHeader(version, { source, sourcePort, destination, destinationPort })
      const reading = parseProxyHeader(header)
      expect(reading).toMatchObject({
        kind: 'header',
        header: { source: { port: sourcePort }, destination: { port: destinationPort }, length: header.length },
      })
      if (reading.kind !== 'header') return
      expect(canonical(reading.header.source?.address ?? '')).toBe(canonical(source))
      expect(canonical(reading.header.destination?.address ?? '')).toBe(canonical(destination))
    }),
    { numRuns: 500 },
  )
})

/** One notation for each address: that of a URL. */
function canonical(address: string): string {
  const plain = plainAddress(address)
  return plain.includes(':') ? ipv4In(new URL(`http://[${plain}]`).hostname) : plain
}

/** `[::ffff:c000:201]` as 192.0.2.1. */
function ipv4In(host: string): string {
  const [, high = '', low = ''] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(host) ?? []
  if (high === '') return host
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return [a >> 8, a & 255, b >> 8, b & 255].join('.')
}
