import { once } from 'node:events'
import http2 from 'node:http2'
import net, { type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { atEnd } from '../support/endings.ts'
import { define, HEALTH, health, pool, serverView, start, upstream } from './support.ts'

test('a TCP check: up while the port is open, whatever the server says', async () => {
  const server = net.createServer((socket) => socket.end('no HTTP at all').on('error', () => undefined))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(() => (server.listening ? server.close() : undefined))
  const { port } = server.address() as AddressInfo
  const servers = { tcp1: `http://127.0.0.1:${port}` }
  const cutover = await define('shop', { pools: { main: { servers } }, health: { tcp: true, ...HEALTH } })
  expect((await serverView(cutover, 'tcp1')).lastProbe).toMatchObject({ ok: true, status: null, error: null })
  server.close()
  await health(cutover, 'tcp1', 'down')
  expect((await serverView(cutover, 'tcp1')).lastProbe).toMatchObject({ ok: false, error: 'connection refused' })
})

test('a gRPC check: down when the service stops SERVING, with the reason in the API', async () => {
  let status = 1
  const server = http2.createServer()
  const sessions = new Set<http2.ServerHttp2Session>()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': 0 }))
    stream.end(Buffer.from([0, 0, 0, 0, 2, 8, status]))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  const servers = { grpc1: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  const cutover = await define('shop', { pools: { main: { servers } }, health: { grpc: 'shop.Cart', ...HEALTH } })
  status = 2
  await health(cutover, 'grpc1', 'down')
  expect((await serverView(cutover, 'grpc1')).lastProbe.error).toBe('NOT_SERVING, expected SERVING')
})

test('a value in JSON: the probe says what was expected and what came', async () => {
  let state = 'ok'
  const server = await upstream('json1', (_request, response) => response.end(JSON.stringify({ state })))
  const check = { path: '/state', expect: { json: { '/state': 'ok' } }, ...HEALTH }
  const cutover = await define('shop', { pools: { main: pool(server) }, health: check })
  state = 'starting'
  await health(cutover, 'json1', 'down')
  const { body } = await cutover.api('GET', '/api/services/shop/explain')
  const words = 'JSON /state is "starting", expected "ok"'
  expect(body.servers[0]).toMatchObject({ reason: `its health check fails (${words})`, lastProbe: { error: words } })
})

test('settings that do not go together are refused by the API, with their path', async () => {
  const cutover = await start({ services: {} })
  const definition = { pools: { main: { servers: { a: 'http://127.0.0.1:9' } } }, health: { tcp: true, path: '/x' } }
  const { status, body } = await cutover.api('PUT', '/api/services/shop', definition)
  expect([status, body.problems[0].path]).toEqual([422, 'health.path'])
})
