import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { localFailure } from '../../src/net/local-failure.ts'
import { classify } from '../../src/proxy/errors.ts'
import { atEnd } from '../support/endings.ts'
import { until } from '../support/until.ts'
import { type RecordedRequest, Upstream } from '../support/upstream.ts'
import { ask, define, health, holding, serverView, start, upstream } from './support.ts'
import { dial, echoing } from './websocket-peers.ts'

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'cutover-unix-'))
  atEnd(() => rm(path, { recursive: true, force: true }))
  return path
}

/** A server at a socket file that answers with its name. */
async function unixUpstream(file: string, name = 'unix1'): Promise<Upstream> {
  const server = http.createServer()
  server.listen(file)
  await once(server, 'listening')
  const found = new Upstream(server, name, (request, response, recorded) => {
    request.setEncoding('utf8').on('data', (chunk: string) => {
      recorded.body = (recorded.body ?? '') + chunk
    })
    request.on('end', () => response.end(name))
  })
  atEnd(() => (server.listening ? found.close() : undefined))
  return found
}

const service = (file: string, more: object = {}) => ({
  pools: { main: { servers: { unix1: `unix:${file}` } } },
  ...more,
})

test('requests and probes reach a server at a socket file; Host is that of the client, and localhost for probes', async () => {
  const file = join(await folder(), 'app.sock')
  const server = await unixUpstream(file)
  const probes: RecordedRequest['headers'][] = []
  server.server.prependListener('request', ({ url, headers }) => url === '/healthz' && probes.push(headers))
  const cutover = await define('shop', service(file))
  expect((await ask(cutover, '/cart?x=1', { method: 'POST', body: 'a'.repeat(100_000) })).body).toBe('unix1')
  const { hostname, port } = new URL(cutover.proxy)
  expect(server.requests).toMatchObject([
    { method: 'POST', url: '/cart?x=1', headers: { host: `${hostname}:${port}` }, body: 'a'.repeat(100_000) },
  ])
  expect(probes.at(-1)).toMatchObject({ host: 'localhost' })
  expect(await serverView(cutover, 'unix1')).toMatchObject({ url: `unix:${file}`, health: 'up' })
  // Requests one after the other share a connection.
  const before = server.accepted
  const probesBefore = server.probes
  for (let i = 0; i < 5; i++) await ask(cutover)
  expect(server.accepted - before - (server.probes - probesBefore)).toBeLessThanOrEqual(1)
})

test('a preview and a WebSocket reach it as well', async () => {
  const file = join(await folder(), 'app.sock')
  const server = await unixUpstream(file)
  const cutover = await define('shop', service(file))
  const preview = await fetch(`${cutover.admin}/preview/shop/main/page`, {
    headers: { host: new URL(cutover.admin).host },
  })
  expect([preview.status, await preview.text()]).toEqual([200, 'unix1'])
  echoing(server)
  const client = await dial(cutover)
  expect(await client.ask('hello')).toBe('unix1: hello')
})

test('a socket file that is missing: requests go to another server, and the probe says so', async () => {
  const path = await folder()
  const tcp = await upstream('tcp1')
  const server = await unixUpstream(join(path, 'app.sock'))
  const cutover = await define('shop', {
    pools: { main: { servers: { unix1: `unix:${join(path, 'app.sock')}`, tcp1: tcp.url } } },
    balance: 'roundRobin',
    // The health check must not be first.
    health: { interval: '60s' },
    passive: { maxFails: 0 },
  })
  await server.close()
  for (let i = 0; i < 10; i++) expect((await ask(cutover, '/', { method: 'POST', body: 'x' })).body).toBe('tcp1')
  await cutover.api('PATCH', '/api/services/shop', { health: { interval: '20ms' } })
  await health(cutover, 'unix1', 'down')
  expect((await serverView(cutover, 'unix1')).lastProbe).toMatchObject({ ok: false, error: 'socket file not found' })
  await unixUpstream(join(path, 'app.sock'))
  await health(cutover, 'unix1', 'up')
})

test('a drain of it is a fact, and the key of a server stays the same over a restart of its app', async () => {
  const file = join(await folder(), 'app.sock')
  const { handler, held, release } = holding()
  const server = http.createServer().listen(file)
  await once(server, 'listening')
  const app = new Upstream(server, 'unix1', handler)
  atEnd(() => app.close())
  const cutover = await define('shop', service(file, { minReady: 0 }))
  const answer = ask(cutover)
  await until(() => held.length === 1)
  await cutover.api('POST', '/api/servers/unix1/drain')
  expect(await serverView(cutover, 'unix1')).toMatchObject({ state: 'drain', drained: false, inFlight: 1 })
  release()
  expect((await answer).body).toBe('unix1')
  await until(async () => (await serverView(cutover, 'unix1')).drained)
})

test('a worker process serves it as well', async () => {
  const file = join(await folder(), 'app.sock')
  await unixUpstream(file)
  const cutover = await start({
    services: { shop: { ...service(file), health: { interval: '20ms' } } },
    proxy: { workers: 1 },
  })
  expect((await ask(cutover)).body).toBe('unix1')
})

test('without permission, or with a full queue, it is the server that cannot be reached, and not this machine', () => {
  const failed = (code: string, more: object = { address: '/run/app.sock' }): Error =>
    Object.assign(new Error(code), { code, syscall: 'connect', ...more })
  expect(classify(failed('EACCES'))).toMatchObject({ code: 'connection_refused', sent: 'no' })
  expect(classify(failed('EAGAIN'))).toMatchObject({ code: 'connection_refused', sent: 'no' })
  expect(localFailure(failed('EAGAIN', { address: '10.0.0.1', port: 80 }))).toBe('no local port is free')
})

test.each([
  ['unix:run/app.sock', 'is not the path of a socket file; write it from the root'],
  ['unix:/run/', 'is not the path of a socket file'],
  [`unix:/${'a'.repeat(107)}`, 'more than 107 bytes'],
])('the address %s is refused', async (url, message) => {
  const cutover = await define('ok', { pools: { main: { servers: {} } }, hosts: ['ok.test'] })
  const { status, body } = await cutover.api('PUT', '/api/services/shop', { pools: { main: { servers: { a: url } } } })
  expect([status, body.problems[0].path]).toEqual([422, 'pools.main.servers.a'])
  expect(body.problems[0].message).toContain(message)
})
