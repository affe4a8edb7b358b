import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import { expect, test } from 'vitest'
import { answerOf } from '../support/http2.ts'
import { binary, RawConnection } from '../support/raw-client.ts'
import { END_HEADERS, FRAME, requestFields } from '../support/raw-http2.ts'
import { until } from '../support/until.ts'
import { client, logged, rawClient, startHttp2, upstream } from './support.ts'

const listen = [{ address: '127.0.0.1:0', h2c: true }]

test('headers and targets that are too long get 431 and 414; those far too long a reset', async () => {
  const server = await upstream()
  const cutover = await startHttp2(
    { app: { servers: [server] } },
    { proxy: { listen, limits: { headerBytes: '4kb', urlBytes: '1kb' } } },
  )
  const connection = await client(cutover)
  expect((await connection.get('/app/', { 'x-a': 'b'.repeat(3_500) })).status).toBe(200)
  expect((await connection.get('/app/large', { 'x-a': 'b'.repeat(4_500) })).status).toBe(431)
  expect(await logged(cutover, '/app/large')).toMatchObject({ status: 431, error: 'http_request_denied' })
  expect((await connection.get(`/app/${'u'.repeat(1_100)}`)).status).toBe(414)
  const { reset, status } = await connection.get('/app/', { 'x-a': 'b'.repeat(60_000) })
  expect([status, reset]).toEqual([0, constants.NGHTTP2_ENHANCE_YOUR_CALM])
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x-${i}`, 'a'.repeat(10)]))
  expect((await connection.get('/app/', many)).status).toBe(200)
  expect(server.requests.length).toBe(2)
})

test('limits.streams is announced, and a stream beyond it is refused so that it is safe to repeat', async () => {
  const server = await upstream(() => undefined)
  const cutover = await startHttp2({ app: { servers: [server] } }, { proxy: { listen, limits: { streams: 3 } } })
  const connection = await client(cutover)
  expect(connection.session.remoteSettings.maxConcurrentStreams).toBe(3)
  const raw = await rawClient(cutover)
  for (const stream of [1, 3, 5, 7]) raw.request(stream, requestFields('/app/'))
  expect(await raw.resetOf(7)).toBe(constants.NGHTTP2_REFUSED_STREAM)
  await server.arrived(3)
  expect(server.requests.length).toBe(3)
})

test('after limits.requestsPerConnection, the client is asked to open another connection, and loses no request', async () => {
  const server = await upstream()
  const cutover = await startHttp2(
    { app: { servers: [server] } },
    { proxy: { listen, limits: { requestsPerConnection: 5 } } },
  )
  const connection = await client(cutover)
  const gone = once(connection.session, 'goaway')
  const answers = await Promise.all(Array.from({ length: 5 }, () => connection.get('/app/')))
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
  const [code, lastStream] = await gone
  expect([code, lastStream]).toEqual([0, 2 ** 31 - 1])
  await once(connection.session, 'close')
})

test('limits.connections holds for connections of both versions together', async () => {
  const server = await upstream()
  const cutover = await startHttp2({ app: { servers: [server] } }, { proxy: { listen, limits: { connections: 2 } } })
  await client(cutover)
  const http1 = await RawConnection.connect(cutover.proxy)
  const third = await RawConnection.connect(cutover.proxy)
  await third.closed()
  http1.destroy()
  const open = async (): Promise<boolean> =>
    /^cutover_connections\{.*\} 1$/m.test((await cutover.api('GET', '/metrics')).body)
  await until(open)
  const raw = await rawClient(cutover)
  raw.request(1, requestFields('/app/'))
  await raw.find(({ type, stream }) => type === FRAME.headers && stream === 1)
  expect((await cutover.api('GET', '/metrics')).body).toMatch(/^cutover_connections\{.*\} 2$/m)
})

test('an idle connection gets a GOAWAY and closes after timeouts.keepAlive', async () => {
  const server = await upstream()
  const cutover = await startHttp2(
    { app: { servers: [server] } },
    { proxy: { listen, timeouts: { keepAlive: '500ms' } } },
  )
  const connection = await client(cutover)
  const gone = once(connection.session, 'goaway')
  expect((await connection.get('/app/')).status).toBe(200)
  const since = performance.now()
  expect((await gone)[0]).toBe(0)
  await once(connection.session, 'close')
  expect(performance.now() - since).toBeGreaterThan(400)
})

test('a body that stalls is given up after timeouts.idleBody, and other streams go on', async () => {
  const server = await upstream()
  const cutover = await startHttp2(
    { app: { servers: [server] } },
    { proxy: { listen, timeouts: { idleBody: '500ms' } } },
  )
  const connection = await client(cutover)
  const stream = connection.open({ ':path': '/app/stalled', ':method': 'POST' })
  const answer = answerOf(stream)
  stream.write('begun')
  const { status } = await answer
  expect(status).toBe(408)
  expect((await connection.get('/app/')).status).toBe(200)
})

test('a request that takes longer than timeouts.request is given up, however steadily its body comes', async () => {
  const server = await upstream()
  const cutover = await startHttp2(
    { app: { servers: [server] } },
    { proxy: { listen, timeouts: { request: '700ms' } } },
  )
  const stream = (await client(cutover)).open({ ':path': '/app/', ':method': 'POST' })
  const answer = answerOf(stream)
  const timer = setInterval(() => stream.write('x'), 50)
  const { status } = await answer
  clearInterval(timer)
  expect(status).toBe(408)
})

test('a client that takes nothing of its answer for timeouts.idleBody loses that stream alone', async () => {
  const server = await upstream((_request, response) => response.end(binary(1_000_000)))
  const cutover = await startHttp2(
    { app: { servers: [server] } },
    { proxy: { listen, timeouts: { idleBody: '500ms' } } },
  )
  const raw = await rawClient(cutover)
  raw.request(1, requestFields('/app/slow'))
  expect(await raw.resetOf(1)).toBe(constants.NGHTTP2_CANCEL)
  raw.request(3, requestFields('/app/none', 'HEAD'))
  expect(await raw.find(({ type, stream }) => type === FRAME.headers && stream === 3)).not.toBe(null)
  expect(await logged(cutover, '/app/slow')).toMatchObject({ status: 499 })
})

test('a body larger than limits.bodyBytes gets 413, whether its length is announced or not', async () => {
  const server = await upstream()
  const cutover = await startHttp2({ app: { servers: [server] } }, { proxy: { listen, limits: { bodyBytes: 1_000 } } })
  const connection = await client(cutover)
  const body = binary(2_000)
  const path = '/app/'
  expect((await connection.ask({ ':path': path, ':method': 'POST', 'content-length': 2_000 }, body)).status).toBe(413)
  expect((await connection.ask({ ':path': path, ':method': 'POST' }, body)).status).toBe(413)
  expect((await connection.ask({ ':path': path, ':method': 'POST' }, body.subarray(0, 1_000))).status).toBe(200)
})

test('streams that begin a body and never go on leave room for others after timeouts.idleBody', async () => {
  const server = await upstream()
  const cutover = await startHttp2(
    { app: { servers: [server] } },
    { proxy: { listen, limits: { streams: 5 }, timeouts: { idleBody: '500ms' } } },
  )
  const raw = await rawClient(cutover)
  for (const stream of [1, 3, 5, 7, 9]) raw.request(stream, requestFields('/app/', 'POST'), END_HEADERS)
  for (const stream of [1, 3, 5, 7, 9]) {
    const found = await raw.find(({ type, stream: each }) => type === FRAME.headers && each === stream)
    expect(found).not.toBe(null)
  }
  await raw.resetOf(9)
  raw.request(11, requestFields('/app/'))
  expect(await raw.find(({ type, stream }) => type === FRAME.headers && stream === 11)).not.toBe(null)
})

test('a response whose end the client gives no room for is reset, and the connection closes', async () => {
  const WINDOW = 65_535
  const responses: ServerResponse[] = []
  const server = await upstream((_request, response) => {
    responses.push(response)
    response.write(Buffer.alloc(WINDOW))
  })
  const timeouts = { idleBody: '500ms', keepAlive: '500ms' }
  const cutover = await startHttp2({ app: { servers: [server] } }, { proxy: { listen, timeouts } })
  const raw = await rawClient(cutover)
  raw.request(1, requestFields('/app/'))
  await until(() => {
    const data = raw.frames.filter(({ type }) => type === FRAME.data)
    return data.reduce((sum, { payload }) => sum + payload.length, 0) === WINDOW
  })
  // The window of the connection is used up, and node:http2 sends not even an empty frame.
  for (const response of responses) response.end()
  expect(await raw.resetOf(1)).toBe(8)
  await raw.closed()
})
