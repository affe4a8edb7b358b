import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { ask, connect, endAll, endWithAll, upstream } from '../proxy/support.ts'
import type { Cutover } from '../support/cutover.ts'
import type { Upstream } from '../support/upstream.ts'
import type { OtlpReceiver } from './otlp-receiver.ts'
import { startTraced } from './support.ts'

/** Paths that are never answered. */
const SILENT = ['/left', '/slow']

let cutover: Cutover
let spans: OtlpReceiver
let server: Upstream

beforeAll(async () => {
  server = await upstream((request, response) => {
    if (request.url === '/half') response.writeHead(200, { 'content-length': 100 }).write('half')
    else if (!SILENT.includes(request.url ?? '')) response.end('ok')
  })
  const sockets = new WebSocketServer({ server: server.server })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  endWithAll(() => sockets.close())
  const started = await startTraced({
    app: { servers: [server] },
    impatient: { servers: [server], timeouts: { response: '200ms' }, retry: { attempts: 1 } },
    copied: {
      pools: { main: { servers: { a: server.url } }, other: { servers: { b: server.url } } },
      servers: [],
      split: { main: 100 },
      mirror: { to: 'other', percent: 100 },
    },
  })
  cutover = started.cutover
  spans = started.receiver
})

afterAll(endAll)

describe.concurrent('a client that leaves', () => {
  test('before the answer: neither span has a status or has failed, and both say why they ended', async () => {
    const client = await connect(cutover)
    client.send('GET /left HTTP/1.1\r\nhost: app.test\r\n\r\n')
    while (!server.requests.some(({ url }) => url === '/left')) await once(server.server, 'recorded')
    client.socket.destroy()
    const { request, tries } = await spans.trace('/left')
    for (const span of [request, ...tries]) {
      expect(span).toMatchObject({ status: 'unset', attributes: { 'error.type': 'client_gone' } })
      expect(span.attributes).not.toHaveProperty('http.response.status_code')
    }
    expect(tries).toHaveLength(1)
  })

  test('within the answer: its status is that of the answer', async () => {
    const client = await connect(cutover)
    client.send('GET /half HTTP/1.1\r\nhost: app.test\r\n\r\n')
    await client.head()
    client.socket.destroy()
    const { request, tries } = await spans.trace('/half')
    for (const { attributes } of [request, ...tries]) {
      expect(attributes).toMatchObject({ 'error.type': 'client_gone', 'http.response.status_code': 200 })
    }
  })
})

test.concurrent('a server that is too slow has no status, and the request the one that the client got', async () => {
  await ask(cutover, ['GET /slow HTTP/1.1', 'host: impatient.test'])
  const { request, tries } = await spans.trace('/slow')
  expect(tries).toHaveLength(1)
  for (const span of [request, ...tries]) {
    expect(span).toMatchObject({ status: 'error', attributes: { 'error.type': 'http_response_timeout' } })
    expect(Number(span.end - span.start) / 1e6).toBeGreaterThan(190)
  }
  expect(request.attributes).toMatchObject({ 'http.response.status_code': 504 })
  expect(tries[0]?.attributes).not.toHaveProperty('http.response.status_code')
})

test.concurrent('a WebSocket has spans that last until it is closed', async () => {
  const socket = new WebSocket(`${cutover.proxy.replace('http', 'ws')}/socket`, { headers: { host: 'app.test' } })
  await once(socket, 'open')
  socket.send('hello')
  await once(socket, 'message')
  const closedAt = Date.now()
  socket.close(1000)
  await once(socket, 'close')
  const { request, tries } = await spans.trace('/socket')
  expect(tries).toHaveLength(1)
  for (const span of [request, ...tries]) {
    expect(span).toMatchObject({ status: 'unset', attributes: { 'http.response.status_code': 101 } })
    expect(span.attributes).not.toHaveProperty('error.type')
    expect(Number(span.end / 1_000_000n)).toBeGreaterThanOrEqual(closedAt)
  }
})

test.concurrent('a copy has no span, and names that of the try that was copied', async () => {
  await ask(cutover, ['GET /copied HTTP/1.1', 'host: copied.test'])
  const both = () => server.requests.filter(({ url }) => url === '/copied')
  while (both().length < 2) await once(server.server, 'recorded')
  const { request, tries } = await spans.trace('/copied')
  expect(tries).toHaveLength(1)
  const expected = `00-${request.traceId}-${tries[0]?.spanId}-01`
  expect(both().map(({ headers }) => headers.traceparent)).toEqual([expected, expected])
})
