import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate as breathe } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { binary, type RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { rawService } from './raw-service.ts'
import { poolView, raw } from './support.ts'

const request = (protocol = 'chat') =>
  `GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`
const agreed = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\nX-Chat: yes\r\n\r\n'

/** An upgraded connection: both ends, past the handshake. */
async function upgraded(cutover: Cutover, accepted: () => Promise<RawConnection>) {
  const client = await raw(cutover)
  client.send(request())
  const server = await accepted()
  await server.head()
  server.send(agreed)
  expect((await client.head()).status).toBe(101)
  return { client, server }
}

test('T18 the handshake goes through: the protocol both ways, and the fields that go with it', async () => {
  const { cutover, accepted } = await rawService()
  const client = await raw(cutover)
  client.send(
    'GET /live?x=%2F HTTP/1.1\r\nHost: shop.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n',
  )
  const server = await accepted()
  const asked = await server.head()
  expect(asked.startLine).toBe('GET /live?x=%2F HTTP/1.1')
  expect(asked.field('upgrade')).toBe('websocket')
  expect(asked.field('connection')?.toLowerCase()).toBe('upgrade')
  expect([asked.field('host'), asked.field('sec-websocket-key')]).toEqual(['shop.test', 'k'])
  expect(asked.field('x-forwarded-for')).toBe('127.0.0.1')
  server.send(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: a\r\n\r\n',
  )
  const answer = await client.head()
  expect([answer.status, answer.field('upgrade'), answer.field('sec-websocket-accept')]).toEqual([
    101,
    'websocket',
    'a',
  ])
  expect(answer.field('connection')?.toLowerCase()).toBe('upgrade')
})

test('T18 what comes in one segment with the request, or with the 101, arrives', async () => {
  const { cutover, accepted } = await rawService()
  const client = await raw(cutover)
  client.send(`${request()}early from the client`)
  const server = await accepted()
  await server.head()
  server.send(`${agreed}early from the server`)
  expect((await client.head()).status).toBe(101)
  expect((await client.bytes(21)).toString()).toBe('early from the server')
  expect((await server.bytes(21)).toString()).toBe('early from the client')
})

test('T18 every byte passes both ways, in order, however much and however slowly it is read', async () => {
  const { cutover, accepted } = await rawService()
  const { client, server } = await upgraded(cutover, accepted)
  const down = binary(6_000_000)
  const up = binary(5_000_000).reverse()
  client.socket.pause()
  server.socket.pause()
  client.send(up)
  server.send(down)
  await Promise.all([slowly(client.socket), slowly(server.socket)])
  expect((await client.bytes(down.length)).equals(down)).toBe(true)
  expect((await server.bytes(up.length)).equals(up)).toBe(true)
  expect([client.hasMore, server.hasMore]).toEqual([false, false])
})

/** Reads a little at a time, until there has been something to read a few times. */
async function slowly(socket: Socket): Promise<void> {
  for (let i = 0; i < 20; i++) {
    socket.resume()
    await once(socket, 'data')
    socket.pause()
    await breathe()
  }
  socket.resume()
}

test('T18 the client closes its direction and goes on reading', async () => {
  const { cutover, accepted } = await rawService()
  const { client, server } = await upgraded(cutover, accepted)
  client.send('last words').socket.end()
  expect(await server.rest()).toBe('last words')
  const answer = binary(2_000_000)
  server.send(answer)
  expect((await client.bytes(answer.length)).equals(answer)).toBe(true)
  server.socket.end()
  expect([await client.rest(), client.ended]).toEqual(['', 'fin'])
  await until(async () => (await poolView(cutover, 'blue')).inFlight === 0)
})

test('T18 the server closes its direction and goes on reading, and loses nothing of what comes late', async () => {
  const { cutover, accepted } = await rawService()
  const { client, server } = await upgraded(cutover, accepted)
  server.send('last words').socket.end()
  server.socket.pause()
  expect(await client.rest()).toBe('last words')
  // More than the sockets on the way can hold, for a server that is slower than everything before it.
  const late = binary(12_000_000)
  client.send(late).socket.end()
  expect((await readSlowly(server)).equals(late)).toBe(true)
  expect(server.ended).toBe('fin')
  await until(async () => (await poolView(cutover, 'blue')).inFlight === 0)
})

/** Reads until the other side ends its direction, one piece at a time. */
async function readSlowly(connection: RawConnection): Promise<Buffer> {
  const { socket } = connection
  const received: Buffer[] = []
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  const ended = connection.closed()
  while (connection.ended === null) {
    socket.resume()
    await Promise.race([once(socket, 'data'), ended])
    socket.pause()
    await breathe()
  }
  return Buffer.concat(received)
}

test('T18 a server that breaks off: the client is told, and no request counts as in flight', async () => {
  const { cutover, accepted } = await rawService()
  const { client, server } = await upgraded(cutover, accepted)
  expect((await poolView(cutover, 'blue')).inFlight).toBe(1)
  server.socket.resetAndDestroy()
  await client.closed()
  await until(async () => (await poolView(cutover, 'blue')).inFlight === 0)
})

test('T18 a client that breaks off: the server is told, and no request counts as in flight', async () => {
  const { cutover, accepted } = await rawService()
  const { client, server } = await upgraded(cutover, accepted)
  client.socket.resetAndDestroy()
  await server.closed()
  await until(async () => (await poolView(cutover, 'blue')).inFlight === 0)
})

test('T18 a server that does not agree: its answer is passed on as it is', async () => {
  const { cutover, accepted } = await rawService()
  const client = await raw(cutover)
  client.send(request())
  const server = await accepted()
  await server.head()
  server.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\nX-Why: members only\r\n\r\nno entry\n')
  const answer = await client.response()
  expect([answer.status, answer.field('x-why'), answer.text]).toEqual([403, 'members only', 'no entry\n'])
  expect(answer.field('upgrade')).toBe(undefined)
  // What is behind it, if anything, was never asked for.
  expect([await client.rest(), client.ended]).toEqual(['', 'fin'])
  await until(async () => (await poolView(cutover, 'blue')).inFlight === 0)
})

test('T18 an answer in chunks to an upgrade reaches the client whole, and one that breaks off is broken off', async () => {
  const { cutover, accepted } = await rawService()
  for (const whole of [true, false]) {
    const client = await raw(cutover)
    client.send(request())
    const server = await accepted()
    await server.head()
    server.send('HTTP/1.1 426 Upgrade Required\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnot\r\n4\r\n so!\r\n')
    if (whole) server.send('0\r\n\r\n')
    server.socket.end()
    const answer = await client.response()
    expect([answer.status, answer.text, answer.ending]).toEqual([426, 'not so!', whole ? 'framed' : 'fin'])
  }
})

test('T18 an unrequested 101: 502, and the connection stays usable', async () => {
  const { cutover, accepted } = await rawService()
  const client = await raw(cutover)
  for (const method of ['GET', 'POST']) {
    const asking = client.ask([`${method} / HTTP/1.1`, 'Host: x', ...(method === 'POST' ? ['Content-Length: 0'] : [])])
    const server = await accepted()
    await server.head()
    server.send(`${agreed}bytes of some other protocol`)
    const answer = await asking
    expect([answer.status, answer.field('upgrade')]).toEqual([502, undefined])
    await server.closed()
  }
  const asking = client.ask(['GET / HTTP/1.1', 'Host: x'])
  const server = await accepted()
  await server.head()
  server.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  expect(await asking).toMatchObject({ status: 200, text: 'ok' })
  expect(client.ended).toBe(null)
})

test('T18 an upgrade that the server leaves unanswered is cut with 504 at the deadline of a drain', async () => {
  const { cutover, accepted } = await rawService({ drain: { timeout: '100ms' }, minReady: 0 })
  const client = await raw(cutover)
  client.send(request('websocket'))
  const server = await accepted()
  await server.head()
  const { body } = await cutover.api('POST', '/api/servers/blue1/drain?wait=10s')
  expect(body).toMatchObject({ drained: ['blue1'], cut: 1 })
  expect((await client.response()).status).toBe(504)
  await server.closed()
  const next = await raw(cutover)
  const refused = await next.send(request('websocket')).response()
  expect([refused.status, Number(refused.field('retry-after'))]).toEqual([503, expect.any(Number)])
})
