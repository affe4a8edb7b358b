import { execFileSync } from 'node:child_process'
import { afterEach, expect, test } from 'vitest'
import { RawConnection } from '../support/raw-client.ts'
import {
  type Behind,
  behindProxyProtocol,
  binaryHeader,
  connectTo,
  endAll,
  get,
  TEXT_HEADER,
  until,
} from './support.ts'

afterEach(endAll)

/** The server goes on for those who speak as they should. */
async function expectAlive(behind: Behind): Promise<void> {
  const { client } = await connectTo(behind)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/alive'))]))
  expect((await client.response()).status).toBe(200)
  client.destroy()
}

test.each<[string, string | Buffer, string]>([
  ['a plain request', get('/'), 'no PROXY header'],
  ['a TLS handshake', Buffer.from('16030100c8010000', 'hex'), 'no PROXY header'],
  ['an empty line', '\r\n\r\nX', 'no PROXY header'],
  ['a wrong line', `PROXY TCP4 1.2.3.4 1.2.3 1 2\r\n${get('/')}`, 'not an address and a port of TCP4'],
  ['a line without end', 'PROXY UNKNOWN '.padEnd(200, 'x'), 'a line of more than 107 bytes'],
  ['UDP', Buffer.concat([binaryHeader({ family: 0x12 }), Buffer.from(get('/'))]), 'a transport other than a stream'],
  ['a header that would be 64 KiB', binaryHeader({ length: 65_535 }), 'more than 4096 bytes'],
])('%s in place of a header: no answer, and nothing reaches the HTTP server', async (_, bytes, reason) => {
  const behind = await behindProxyProtocol()
  const { client, serverSide } = await connectTo(behind)
  client.send(bytes)
  expect(await client.rest()).toBe('')
  expect(serverSide.destroyed).toBe(true)
  expect(behind.refusals).toEqual([{ peer: '127.0.0.1', reason }])
  await expectAlive(behind)
  expect(behind.targets).toEqual(['/alive'])
  expect(behind.headers.size).toBe(1)
})

test('a peer that is not trusted is not listened to', async () => {
  let trusted = false
  const behind = await behindProxyProtocol({ isTrusted: () => trusted })
  const { client } = await connectTo(behind)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/'))]))
  expect(await client.rest()).toBe('')
  expect(behind.refusals).toEqual([{ peer: '127.0.0.1', reason: 'not trusted' }])
  trusted = true
  await expectAlive(behind)
  expect(behind.targets).toEqual(['/alive'])
})

test('a connection on which nothing comes is destroyed in time', async () => {
  const behind = await behindProxyProtocol({ timeoutMs: 100 })
  const since = performance.now()
  const { client } = await connectTo(behind)
  expect(await client.rest()).toBe('')
  expect(performance.now() - since).toBeGreaterThanOrEqual(95)
  expect(behind.refusals).toEqual([{ peer: '127.0.0.1', reason: 'no complete header in time' }])
  expect(behind.front.waitingConnections).toBe(0)
})

test.each([
  ['version 1', Buffer.from('PROXY UNKNOWN '.padEnd(105, 'x'))],
  ['version 2', binaryHeader({ tlvs: [[0xe0, Buffer.alloc(4_000)]] }).subarray(0, -1)],
])('a header that comes drop by drop is destroyed in time all the same: %s', async (_, header) => {
  const behind = await behindProxyProtocol({ timeoutMs: 200 })
  const since = performance.now()
  const { client } = await connectTo(behind)
  let at = 0
  const drops = setInterval(() => client.send(header.subarray(at, ++at)), 50)
  expect(await client.rest()).toBe('')
  clearInterval(drops)
  const took = performance.now() - since
  expect(took).toBeGreaterThanOrEqual(195)
  // No drop gave it more time: all of them would take longer than five seconds.
  expect(took).toBeLessThan(4_000)
  expect(behind.refusals).toEqual([{ peer: '127.0.0.1', reason: 'no complete header in time' }])
})

test('many silent connections keep nobody waiting', async () => {
  const behind = await behindProxyProtocol({ timeoutMs: 300 })
  const silent = await Promise.all(Array.from({ length: 200 }, () => RawConnection.connect(behind.port)))
  for (const client of silent) client.send('PROXY')
  await expectAlive(behind)
  await Promise.all(silent.map((client) => client.closed()))
  expect(behind.refusals).toHaveLength(200)
  expect(behind.front.waitingConnections).toBe(0)
})

test.each(['reset', 'fin'])('a peer that leaves in the middle of its header (%s)', async (how) => {
  const behind = await behindProxyProtocol()
  for (const header of [TEXT_HEADER, binaryHeader()]) {
    const { client, serverSide } = await connectTo(behind)
    client.send(header.subarray(0, -1))
    await until(() => serverSide.bytesRead === header.length - 1)
    if (how === 'reset') client.socket.resetAndDestroy()
    else client.socket.end()
    await until(() => serverSide.destroyed)
  }
  const refusal = { peer: '127.0.0.1', reason: 'left in the middle of its header' }
  expect(behind.refusals).toEqual([refusal, refusal])
  expect(behind.front.waitingConnections).toBe(0)
  await expectAlive(behind)
})

test.each(['reset', 'fin'])('a peer that comes and leaves in silence is not worth a word (%s)', async (how) => {
  const behind = await behindProxyProtocol()
  const { client, serverSide } = await connectTo(behind)
  if (how === 'reset') client.socket.resetAndDestroy()
  else client.socket.end()
  await until(() => serverSide.destroyed)
  expect([behind.refusals, behind.front.waitingConnections]).toEqual([[], 0])
  await expectAlive(behind)
})

/** Connects, sends all and resets, again and again. */
const HASTY = `
  const { connect } = require('node:net')
  const [port, bytes] = process.argv.slice(1)
  let left = 20
  ;(function next() {
    if (left-- === 0) return
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes, () => socket.resetAndDestroy()))
    socket.on('close', next)
  })()
`

test('a peer that had reset its connection before it was accepted is not taken for a Unix socket', async () => {
  const asked: string[] = []
  const behind = await behindProxyProtocol({ isTrusted: (peer) => asked.push(peer) > 0 })
  const request = TEXT_HEADER.toString() + get('/hasty')
  // Nothing is accepted in this process before all of them have gone; what they sent can be read all the same.
  execFileSync(process.execPath, ['-e', HASTY, String(behind.port), request])
  await expectAlive(behind)
  expect(asked).toEqual(['127.0.0.1'])
  expect(behind.targets).toEqual(['/alive'])
})
