import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { ask, blueGreen, define, holding, pool, poolView, raw, serverView, upstream } from './support.ts'
import { accepting, dial, echoing, type Peer } from './websocket-peers.ts'

async function echoPools(service: object = {}, blueHandler = holding().handler) {
  const { cutover, blue, green } = await blueGreen(blueHandler, service)
  return { cutover, blue, green, atBlue: echoing(blue), atGreen: echoing(green) }
}

test('T17 a switch with a drain: the WebSocket stays for it, then 1001 both ways; the next one lands on green', async () => {
  const { cutover, atBlue } = await echoPools()
  const client = await dial(cutover)
  expect(await client.ask('before')).toBe('blue1: before')

  const startedAt = performance.now()
  const switching = cutover.api('POST', '/api/services/shop/switch?wait=10s', { to: 'green', drain: '500ms' })
  await until(async () => (await poolView(cutover, 'green')).share === 100)
  let lastAnswerAt = 0
  while (client.closeCode === null) {
    const answer = await client.ask('still there?').catch(() => null)
    if (answer === null) break
    expect(answer).toBe('blue1: still there?')
    lastAnswerAt = performance.now()
  }
  expect([await client.closed, await atBlue[0]?.closed]).toEqual([1001, 1001])
  expect(lastAnswerAt - startedAt).toBeGreaterThan(450)
  expect([...client.errors, ...(atBlue[0]?.errors ?? [])]).toEqual([])
  expect((await switching).body).toMatchObject({ drained: ['blue'], cut: 1 })

  const next = await dial(cutover)
  expect(await next.ask('hello')).toBe('green1: hello')
})

test('T17 a switch without a drain leaves it alone; the pool is drained when it closes, and not before', async () => {
  const { cutover, atBlue } = await echoPools({ drain: { timeout: '100ms' } })
  const client = await dial(cutover)
  await client.ask('before')
  const { status, body } = await cutover.api('POST', '/api/services/shop/switch?wait=400ms', { to: 'green' })
  expect([status, body.missing.underWay]).toEqual([504, [{ name: 'blue', inFlight: 1 }]])
  expect(await poolView(cutover, 'blue')).toMatchObject({ drained: false, inFlight: 1 })
  expect(await client.ask('after')).toBe('blue1: after')

  // Its own close passes through as it is.
  client.socket.close(4_321, 'done')
  expect([await client.closed, await atBlue[0]?.closed]).toEqual([4_321, 4_321])
  const again = await cutover.api('POST', '/api/services/shop/switch?wait=10s', { to: 'green' })
  expect(again.body).toMatchObject({ drained: ['blue'], cut: 0 })
})

test('T17 changes that do not concern its server leave it open', async () => {
  const other = await upstream('other1')
  await define('other', { pools: { main: pool(other) }, hosts: ['other.test'] })
  const { cutover, blue, atBlue } = await echoPools()
  const blue2 = await upstream('blue2')
  const client = await dial(cutover)
  await client.ask('before')
  const changes: readonly (readonly [method: string, path: string, body?: object])[] = [
    ['PATCH', '/api/servers/other1', { weight: 3 }],
    ['POST', '/api/servers/other1/disable?force'],
    ['PUT', '/api/services/third', { pools: { main: pool(other) }, hosts: ['third.test'] }],
    ['DELETE', '/api/services/third?force'],
    ['PATCH', '/api/services/shop', { timeouts: { connect: '1s', response: '9s', idle: '9s' } }],
    ['PATCH', '/api/services/shop', { connections: { keepAlive: '1s' }, drain: { timeout: '1s' } }],
    ['PATCH', '/api/services/shop', { health: { interval: '30ms' }, balance: 'roundRobin' }],
    ['PUT', '/api/services/shop/pools/blue/servers/blue2', { url: blue2.url, weight: 2 }],
    ['PATCH', '/api/servers/blue1', { weight: 7 }],
    ['POST', '/api/services/shop/shift', { to: 'green', percent: 99 }],
    ['POST', '/api/services/shop/rollback'],
    ['POST', '/api/servers/blue2/drain'],
    ['DELETE', '/api/services/shop/pools/blue/servers/blue2'],
    ['POST', '/api/config/reload'],
  ]
  for (const [method, path, body] of changes) {
    const { status } = await cutover.api(method, path, body)
    expect([path, status]).toEqual([path, 200])
    expect(await client.ask(path)).toBe(`blue1: ${path}`)
  }
  // Down is not drained: it gets nothing new, and keeps what it has.
  blue.health = 503
  await until(async () => (await serverView(cutover, 'blue1')).health === 'down')
  expect(await client.ask('down')).toBe('blue1: down')
  expect([client.closeCode, atBlue.length]).toEqual([null, 1])
})

test('T17 a server that is drained: 1001 at the deadline of its service', async () => {
  const { cutover, atBlue } = await echoPools({ drain: { timeout: '200ms' }, minReady: 0 })
  const client = await dial(cutover)
  await client.ask('before')
  const { body } = await cutover.api('POST', '/api/servers/blue1/drain?wait=10s')
  expect(body).toMatchObject({ drained: ['blue1'], cut: 1 })
  expect([await client.closed, await atBlue[0]?.closed]).toEqual([1001, 1001])
})

test('T17 a server that is taken out of its pool: 1001 at the deadline as well', async () => {
  const { cutover, atBlue } = await echoPools({ drain: { timeout: '200ms' }, minReady: 0 })
  const client = await dial(cutover)
  await client.ask('before')
  const answer = await cutover.api('DELETE', '/api/services/shop/pools/blue/servers/blue1?wait=10s')
  expect(answer.body).toMatchObject({ drained: ['blue1'], cut: 1 })
  expect([await client.closed, await atBlue[0]?.closed]).toEqual([1001, 1001])
})

test('T17 websockets: keep: the deadline cuts everything else', async () => {
  const { cutover, blue } = await echoPools({ drain: { timeout: '200ms', websockets: 'keep' }, minReady: 0 })
  const client = await dial(cutover)
  await client.ask('before')
  const slow = ask(cutover, '/slow')
  await until(() => blue.requests.some(({ url }) => url === '/slow'))
  const { status, body } = await cutover.api('POST', '/api/servers/blue1/drain?wait=1s')
  expect([status, body.missing.underWay]).toEqual([504, [{ name: 'blue1', inFlight: 1 }]])
  expect((await slow).status).toBe(504)
  expect(await client.ask('kept')).toBe('blue1: kept')
  client.socket.close()
  expect(await client.closed).toBe(1005)
  expect((await cutover.api('POST', '/api/servers/blue1/drain?wait=10s')).body).toMatchObject({ drained: ['blue1'] })
})

test('T17 messages that never pause, both ways: each arrives whole and in order, then 1001 both ways', async () => {
  const { cutover, blue } = await blueGreen()
  const filler = 'x'.repeat(50_000)
  const flood = (peer: Peer) => {
    let number = 0
    const next = () => {
      // A write that succeeds at once calls back at once: without a pause, this process would never read.
      const then = () => setImmediate(next)
      if (peer.socket.readyState === peer.socket.OPEN) peer.socket.send(`${number++} ${filler}`, then)
    }
    next()
  }
  const atBlue = accepting(blue, flood)
  const client = await dial(cutover)
  flood(client)
  await client.received(20)
  const { body } = await cutover.api('POST', '/api/services/shop/switch?wait=10s', { to: 'green', drain: '50ms' })
  expect(body).toMatchObject({ drained: ['blue'], cut: 1 })
  for (const peer of [client, ...atBlue]) {
    expect(await peer.closed).toBe(1001)
    expect(peer.errors).toEqual([])
    expect(peer.messages.length).toBeGreaterThan(10)
    expect(peer.messages.every((message, i) => message === `${i} ${filler}`)).toBe(true)
  }
})

/** A text frame of this payload; masked, as clients must, where there is a key. */
function frame(payload: Buffer, mask: Buffer | null): Buffer {
  const head = Buffer.alloc(10)
  head.writeUInt8(0x82, 0)
  head.writeUInt8(127 | (mask === null ? 0 : 0x80), 1)
  head.writeBigUInt64BE(BigInt(payload.length), 2)
  if (mask === null) return Buffer.concat([head, payload])
  const masked = payload.map((byte, i) => byte ^ (mask[i % 4] as number))
  return Buffer.concat([head, mask, masked])
}

const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: x',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n')

/** Every way in which a frame can be half-way: within its header, its mask, and its payload. */
const PLACES = [1, 5, 12, 14, 15, 40_000, 65_000]

test('T17 a frame half-way from the client as the cut comes: it is completed, then comes 1001', async () => {
  const { cutover, blue } = await blueGreen()
  const payload = randomBytes(70_000)
  const received: Buffer[] = []
  const atBlue = accepting(blue, (peer) => peer.socket.on('message', (data: Buffer) => received.push(data)))
  const bytes = frame(payload, Buffer.from([1, 2, 3, 4]))
  const clients: RawConnection[] = []
  for (const _place of PLACES) {
    const client = await raw(cutover)
    expect((await client.send(UPGRADE).head()).status).toBe(101)
    clients.push(client)
  }
  const before = atBlue.map(({ socket }) => socket)
  for (const [i, place] of PLACES.entries()) clients[i]?.send(bytes.subarray(0, place))
  // What was sent first is through when what is sent behind it on another connection has come back.
  expect((await ask(cutover)).body).toBe('blue1')
  const switching = cutover.api('POST', '/api/services/shop/switch?wait=10s', { to: 'green', drain: '100ms' })
  for (const [i, place] of PLACES.entries()) {
    // The other direction is between two frames: it gets its close at once.
    expect(await clients[i]?.bytes(4)).toEqual(Buffer.from([0x88, 0x02, 0x03, 0xe9]))
    clients[i]?.send(bytes.subarray(place)).send(frame(Buffer.from('too late'), Buffer.from([1, 2, 3, 4])))
    clients[i]?.socket.end()
  }
  expect((await switching).body).toMatchObject({ drained: ['blue'], cut: PLACES.length })
  for (const peer of atBlue) expect([await peer.closed, peer.errors]).toEqual([1001, []])
  expect([before.length, received.length]).toEqual([PLACES.length, PLACES.length])
  for (const message of received) expect(message.equals(payload)).toBe(true)
})

test('T17 a frame half-way from the server as the cut comes: it is completed, then comes 1001', async () => {
  const { cutover, blue } = await blueGreen()
  const payload = randomBytes(70_000)
  const bytes = frame(payload, null)
  const received: Buffer[] = []
  const atBlue = accepting(blue)
  const clients: Peer[] = []
  for (const _place of PLACES) clients.push(await dial(cutover))
  for (const { socket } of clients) socket.on('message', (data: Buffer) => received.push(data))
  // Past the library, which would not send half a frame.
  const wires = atBlue.map(({ socket }) => (socket as unknown as { _socket: import('node:net').Socket })._socket)
  for (const [i, place] of PLACES.entries()) wires[i]?.write(bytes.subarray(0, place))
  expect((await ask(cutover)).body).toBe('blue1')
  const switching = cutover.api('POST', '/api/services/shop/switch?wait=10s', { to: 'green', drain: '100ms' })
  for (const [i, place] of PLACES.entries()) {
    const peer = atBlue[i]
    const wire = wires[i]
    if (wire === undefined || peer === undefined) throw new Error('no peer')
    const missing = bytes.subarray(place)
    // The library answers the close by itself: what is missing of the frame has to come before that.
    const receiver = (peer.socket as unknown as { _receiver: NodeJS.EventEmitter })._receiver
    receiver.prependOnceListener('conclude', () => wire.write(missing))
  }
  expect((await switching).body).toMatchObject({ drained: ['blue'], cut: PLACES.length })
  for (const peer of [...clients, ...atBlue]) expect([await peer.closed, peer.errors]).toEqual([1001, []])
  expect(received.length).toBe(PLACES.length)
  for (const message of received) expect(message.equals(payload)).toBe(true)
})
