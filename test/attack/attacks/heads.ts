import type { Crowd } from '../crowd.ts'
import { type Attack, head } from './attack.ts'

const LANES = 32
const HUGE = [
  head('GET', '/', `X-Huge: ${'x'.repeat(64_000)}`),
  head('GET', '/', ...Array.from({ length: 3_000 }, (_, i) => `X-${i}: ${i}`)),
  head('GET', `/${'x'.repeat(64_000)}`),
  head('GET', '/', `Cookie: ${'a=b; '.repeat(12_000)}`),
]
const MALFORMED = [
  'GET\r\n\r\n',
  'GET / HTTP/1.1\r\n\r\n',
  'GET / HTTP/9.9\r\nHost: shop.test\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: shop.test\r\nHost: other.test\r\n\r\n',
  'GET / HTTP/1.1\r\nHost : shop.test\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: shop.test\r\n folded: yes\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5, 6\r\n\r\nhello',
  'POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  'GET / HTTP/1.1\r\nHost: shop.test\r\nX: a\0b\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  '\r\n'.repeat(1_000),
]

/** Heads that no server takes. */
export const HEADS: readonly Attack[] = [
  { name: 'huge heads', run: (crowd, { proxyPort }) => send(crowd, proxyPort, HUGE) },
  { name: 'malformed heads', run: (crowd, { proxyPort }) => send(crowd, proxyPort, MALFORMED) },
]

/** How long an attacker waits to be thrown out before it goes by itself. */
const PATIENCE_MS = 500

function send(crowd: Crowd, port: number, heads: readonly string[]): Promise<void> {
  let next = 0
  return crowd.lanes(LANES, async () => {
    const socket = await crowd.open(port)
    if (socket === null) return
    socket.resume()
    socket.write(heads[next++ % heads.length] ?? '', 'latin1')
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS)
    if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve))
    clearTimeout(timer)
  })
}
