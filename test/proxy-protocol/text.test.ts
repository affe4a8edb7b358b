import { expect, test } from 'vitest'
import { parseProxyHeader } from '../../src/proxy/proxy-protocol/parse.ts'

const read = (text: string) => parseProxyHeader(Buffer.from(text, 'latin1'))

function ends(text: string): unknown {
  const reading = read(text)
  if (reading.kind !== 'header') return reading
  const { source, destination } = reading.header
  return [source, destination].map((end) => (end === null ? null : `${end.address} ${end.port}`))
}

const V6 = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'

test.each([
  ['PROXY TCP4 192.0.2.1 198.51.100.2 1111 8080\r\n', ['192.0.2.1 1111', '198.51.100.2 8080']],
  ['PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n', ['255.255.255.255 65535', '255.255.255.255 65535']],
  ['PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n', ['0.0.0.0 0', '0.0.0.0 0']],
  ['PROXY TCP6 2001:db8::1 ::1 1 2\r\n', ['2001:db8::1 1', '::1 2']],
  ['PROXY TCP6 :: fe80:: 1 2\r\n', [':: 1', 'fe80:: 2']],
  [`PROXY TCP6 ${V6} ${V6} 65535 65535\r\n`, [`${V6} 65535`, `${V6} 65535`]],
  // However it is spelled, it is one address.
  ['PROXY TCP6 2001:0DB8:0000:0000:0000:0000:0000:0001 2001:DB8:0:0:0::1 1 2\r\n', ['2001:db8::1 1', '2001:db8::1 2']],
  // HAProxy has IPv4 clients in IPv6 notation where only the other end is IPv6.
  ['PROXY TCP6 ::ffff:192.0.2.1 ::FFFF:C633:6402 1 2\r\n', ['192.0.2.1 1', '198.51.100.2 2']],
  ['PROXY UNKNOWN\r\n', [null, null]],
  [`PROXY UNKNOWN ${V6} ${V6} 65535 65535\r\n`, [null, null]],
  ['PROXY UNKNOWN whatever  there is\r\n', [null, null]],
  ['PROXY UNKNOWN \r\n', [null, null]],
])('%j is a header', (text, expected) => {
  expect(ends(text)).toEqual(expected)
})

test.each([
  // The signature.
  ['GET / HTTP/1.1\r\n', 'no PROXY header'],
  ['proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n', 'no PROXY header'],
  [' PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n', 'no PROXY header'],
  ['PROXYTCP4 192.0.2.1 192.0.2.2 1 2\r\n', 'no PROXY header'],
  ['PROXY\tTCP4 192.0.2.1 192.0.2.2 1 2\r\n', 'no PROXY header'],
  ['PROXY\r\n', 'no PROXY header'],
  ['PX', 'no PROXY header'],
  ['\x16\x03\x01', 'no PROXY header'],
  // The line.
  ['PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n', 'not a line of ASCII text'],
  ['PROXY UNKNOWN\n\r\n', 'not a line of ASCII text'],
  ['PROXY UNKNOWN \0\r\n', 'not a line of ASCII text'],
  ['PROXY UNKNOWN \xe9\r\n', 'not a line of ASCII text'],
  ['PROXY TCP4 192.0.2.1\t192.0.2.2 1 2\r\n', 'not a line of ASCII text'],
  ['PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r', 'incomplete'],
  ['PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n', 'a CR without LF'],
  ['PROXY UNKNOWN\rX', 'a CR without LF'],
  // The protocol.
  ['PROXY \r\n', 'not TCP4, TCP6 or UNKNOWN'],
  ['PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n', 'not TCP4, TCP6 or UNKNOWN'],
  ['PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n', 'not TCP4, TCP6 or UNKNOWN'],
  ['PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n', 'not TCP4, TCP6 or UNKNOWN'],
  ['PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n', 'not TCP4, TCP6 or UNKNOWN'],
  ['PROXY UNKNOWNS\r\n', 'not TCP4, TCP6 or UNKNOWN'],
  ['PROXY unknown\r\n', 'not TCP4, TCP6 or UNKNOWN'],
  // Too few and too many.
  ['PROXY TCP4\r\n', 'not an address and a port of TCP4'],
  ['PROXY TCP4 192.0.2.1\r\n', 'not an address and a port of TCP4'],
  ['PROXY TCP4 192.0.2.1 192.0.2.2\r\n', 'not an address and a port of TCP4'],
  ['PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n', 'not an address and a port of TCP4'],
  ['PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n', 'not an address and a port of TCP4'],
  ['PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n', 'more than two addresses and two ports'],
  ['PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n', 'more than two addresses and two ports'],
  ['PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n', 'more than two addresses and two ports'],
])('%j: %s', (text, expected) => {
  const reading = read(text)
  expect(reading.kind === 'invalid' ? reading.reason : reading.kind).toBe(expected)
})

test.each(['00', '01', '080', '65536', '99999', '100000', '-1', '+1', '1.', '0x50', '1e3', '', 'http', '¹'])(
  '%j is no port',
  (port) => {
    expect(read(`PROXY TCP4 192.0.2.1 192.0.2.2 ${port} 2\r\n`).kind).toBe('invalid')
    expect(read(`PROXY TCP6 ::1 ::2 1 ${port}\r\n`).kind).toBe('invalid')
  },
)

test.each([
  [
    'TCP4',
    [
      '192.0.2',
      '192.0.2.256',
      '192.0.2.01',
      '01.2.3.4',
      '0x7f.0.0.1',
      '127.1',
      '2130706433',
      '1.2.3.4.',
      '::1',
      'a',
      '',
    ],
  ],
  ['TCP4', ['1.2.3.4.5', '::ffff:1.2.3.4', '1.2.3.-4', '1.2.3.4/8']],
  [
    'TCP6',
    ['192.0.2.1', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1::2::3', ':::', ':1::', '12345::', 'g::', '[::1]', ''],
  ],
  ['TCP6', ['::1%lo', 'fe80::1%1', '::1/128', '::ffff:1.2.3', '::ffff:01.2.3.4', '::1.2.3.4:5']],
])('%s: none of %j is an address', (protocol, addresses) => {
  const good = protocol === 'TCP4' ? '192.0.2.1' : '::1'
  for (const address of addresses) {
    expect(read(`PROXY ${protocol} ${address} ${good} 1 2\r\n`).kind, address).toBe('invalid')
    expect(read(`PROXY ${protocol} ${good} ${address} 1 2\r\n`).kind, address).toBe('invalid')
  }
})

test('a line may have 107 bytes with its CRLF, and not one more', () => {
  const line = (length: number) => `PROXY UNKNOWN ${'x'.repeat(length - 16)}\r\n`
  expect(line(107)).toHaveLength(107)
  expect(read(line(107))).toMatchObject({ kind: 'header', header: { length: 107 } })
  expect(read(line(107).slice(0, 106)).kind).toBe('incomplete')
  for (const tooLong of [line(108), line(108).slice(0, 107), 'PROXY '.padEnd(107, 'x')]) {
    expect(read(tooLong)).toEqual({ kind: 'invalid', reason: 'a line of more than 107 bytes' })
  }
})

test('the header ends with its CRLF; what follows is left alone', () => {
  const line = 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'
  expect(read(`${line}GET / HTTP/1.1\r\n`)).toMatchObject({ kind: 'header', header: { length: line.length } })
  expect(read(line + line)).toMatchObject({ kind: 'header', header: { length: line.length } })
})
