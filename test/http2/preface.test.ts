import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { atEnd } from '../support/endings.ts'
import { RawConnection } from '../support/raw-client.ts'
import { block, FRAME, frame, PREFACE, requestFields } from '../support/raw-http2.ts'
import { client, startHttp2, upstream } from './support.ts'

const REQUEST = Buffer.concat([
  PREFACE,
  frame(FRAME.settings, 0, 0),
  frame(FRAME.headers, 5, 1, block(requestFields('/app/'))),
])

/** Sends bytes one by one, each in a packet of its own. */
async function sendSlowly(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1').setNoDelay()
  atEnd(() => socket.destroy())
  const received: Buffer[] = []
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  await once(socket, 'connect')
  for (const byte of bytes) {
    socket.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  while (!Buffer.concat(received).includes('app')) await once(socket, 'data')
  return Buffer.concat(received)
}

test('the first bytes decide between HTTP/1.1 and HTTP/2, also when they come one by one', async () => {
  const server = await upstream((_request, response) => response.end('app'))
  const cutover = await startHttp2({ app: { servers: [server] } })
  const port = Number(new URL(cutover.proxy).port)
  const http2 = await sendSlowly(port, REQUEST)
  expect(http2[3]).toBe(FRAME.settings)
  const http1 = await sendSlowly(port, Buffer.from('PUT /app/ HTTP/1.1\r\nhost: a\r\n\r\n'))
  expect(String(http1)).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  // A method that begins as the preface does.
  const connection = await RawConnection.connect(cutover.proxy)
  atEnd(() => connection.destroy())
  expect((await connection.ask(['PROPFIND /app/ HTTP/1.1', 'host: a'])).status).toBe(200)
  expect((await connection.ask(['GET /app/ HTTP/1.1', 'host: a'])).text).toBe('app')
  expect((await (await client(cutover)).get('/app/')).status).toBe(200)
})

test('a large first request of HTTP/1.1 arrives whole', async () => {
  const server = await upstream()
  const cutover = await startHttp2({ app: { servers: [server] } })
  const connection = await RawConnection.connect(cutover.proxy)
  atEnd(() => connection.destroy())
  const body = 'x'.repeat(500_000)
  await connection.ask(['POST /app/ HTTP/1.1', 'host: a', `content-length: ${body.length}`], body)
  expect(server.requests[0]?.body).toBe(body)
})

test('behind a PROXY header, the client of HTTP/2 is the one that it names', async () => {
  const server = await upstream()
  const cutover = await startHttp2(
    { app: { servers: [server] } },
    {
      proxy: { listen: [{ address: '127.0.0.1:0', h2c: true, proxyProtocol: true }], trustedProxies: ['127.0.0.1/32'] },
    },
  )
  const header = Buffer.from('PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n')
  for (const pieces of [
    [header, REQUEST],
    [Buffer.concat([header, REQUEST])],
    [Buffer.concat([header, REQUEST.subarray(0, 9)]), REQUEST.subarray(9)],
  ]) {
    const socket = connect(Number(new URL(cutover.proxy).port), '127.0.0.1').setNoDelay()
    atEnd(() => socket.destroy())
    const before = server.requests.length
    for (const piece of pieces as Buffer[]) {
      socket.write(piece)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await server.arrived(before + 1)
    expect(server.requests.at(-1)?.headers).toMatchObject({
      'x-forwarded-for': expect.stringContaining('203.0.113.7'),
      'x-forwarded-port': '443',
    })
  }
})

test('a listener without h2c answers the preface as HTTP/1.1 does', async () => {
  const server = await upstream()
  const cutover = await startHttp2({ app: { servers: [server] } }, { proxy: { listen: '127.0.0.1:0' } })
  const connection = await RawConnection.connect(cutover.proxy)
  connection.send(PREFACE)
  expect((await connection.response()).status).toBe(505)
  await connection.closed()
})

test('a connection that sends nothing, or a part of the preface, is closed after timeouts.header', async () => {
  const server = await upstream()
  const cutover = await startHttp2(
    { app: { servers: [server] } },
    { proxy: { listen: [{ address: '127.0.0.1:0', h2c: true }], timeouts: { header: '300ms' } } },
  )
  for (const sent of [Buffer.alloc(0), PREFACE.subarray(0, 10), PREFACE]) {
    const connection = await RawConnection.connect(cutover.proxy)
    const since = performance.now()
    connection.send(sent)
    await connection.closed()
    expect(performance.now() - since).toBeLessThan(5_000)
  }
})
