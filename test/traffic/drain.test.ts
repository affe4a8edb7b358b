import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import type { Handler, Upstream } from '../support/upstream.ts'
import { ask, define, health, holding, pool, raw, serverView, spread, upstream, watched } from './support.ts'

/** A service whose active pool has two servers: the first answers as told, the second with its name. */
async function twoServers(handler?: Handler, service: object = {}) {
  const first = await upstream('blue1', handler)
  const second = await upstream('blue2')
  const cutover = await define('shop', { pools: { blue: pool(first, second) }, balance: 'roundRobin', ...service })
  return { cutover, first, second }
}

/** Sends requests until so many are under way at the server. */
async function under(way: number, cutover: Cutover, server: Upstream, path = '/'): Promise<ReturnType<typeof ask>[]> {
  const before = server.requests.length
  const asked: ReturnType<typeof ask>[] = []
  while (server.requests.length - before < way) {
    const asking = ask(cutover, path)
    // With two servers in turn, the other one's answer comes at once; this one's stays out.
    await Promise.race([asking, server.arrived(before + asked.length + 1)])
    if (server.requests.length - before > asked.length) asked.push(asking)
  }
  return asked
}

test('T4 an idle server is drained at once', async () => {
  const { cutover } = await twoServers()
  const { status, body } = await cutover.api('POST', '/api/servers/blue1/drain?wait=10s')
  expect(status).toBe(200)
  expect(body).toMatchObject({ changed: true, drained: ['blue1'], cut: 0 })
  expect(body.servers).toMatchObject([{ name: 'blue1', state: 'drain', drained: true, inFlight: 0, health: 'up' }])
  expect(await spread(cutover, ['blue1', 'blue2'], 100)).toEqual({ blue2: 100 })
})

test('T4 all requests in flight are served, and the server is drained right after the last one, not before', async () => {
  const { handler, held, release } = holding()
  const { cutover, first } = await twoServers(handler)
  const asked = await under(3, cutover, first)
  const draining = watched(cutover.api('POST', '/api/servers/blue1/drain?wait=10s'))
  await until(async () => (await serverView(cutover, 'blue1')).state === 'drain')
  for (const left of [3, 2, 1]) {
    expect(await serverView(cutover, 'blue1')).toMatchObject({ drained: false, inFlight: left })
    expect(draining.settled).toBe(false)
    held.shift()?.end('blue1')
    await until(async () => (await serverView(cutover, 'blue1')).inFlight === left - 1)
  }
  expect((await draining.promise).body).toMatchObject({ drained: ['blue1'], cut: 0 })
  expect(await serverView(cutover, 'blue1')).toMatchObject({ drained: true, inFlight: 0 })
  for (const answer of await Promise.all(asked)) expect(answer).toMatchObject({ status: 200, body: 'blue1' })
  release()
})

test('T4 endless requests are cut at the deadline: 504 or broken off, the server sees the cancel, the answer counts them', async () => {
  let cancelled = 0
  const handler: Handler = (request: IncomingMessage, response: ServerResponse) => {
    response.on('close', () => {
      if (!response.writableFinished) cancelled++
    })
    if (request.url === '/stream') response.writeHead(200).write('first bytes')
  }
  const { cutover, first } = await twoServers(handler, { drain: { timeout: '100ms' } })
  const silent = await under(10, cutover, first, '/silent')
  const streams = []
  while (streams.length < 10) {
    const response = await fetch(`${cutover.proxy}/stream`)
    if (response.headers.get('x-upstream') === 'blue1') streams.push(response)
    else await response.text()
  }
  expect((await serverView(cutover, 'blue1')).inFlight).toBe(20)

  const startedAt = performance.now()
  const { status, body } = await cutover.api('POST', '/api/servers/blue1/drain?wait=10s')
  expect([status, body.drained, body.cut]).toEqual([200, ['blue1'], 20])
  expect(performance.now() - startedAt).toBeGreaterThan(95)
  for (const answer of await Promise.all(silent)) expect(answer.status).toBe(504)
  for (const stream of streams) await expect(stream.text()).rejects.toThrow()
  await until(() => cancelled === 20)
})

test('T4 without a deadline nothing is ever cut', async () => {
  const { handler, release } = holding()
  const { cutover, first } = await twoServers(handler, { drain: { timeout: 0 } })
  const asked = await under(2, cutover, first)
  const { status, body } = await cutover.api('POST', '/api/servers/blue1/drain?wait=300ms')
  expect([status, body.missing]).toEqual([504, { lagging: [], underWay: [{ name: 'blue1', inFlight: 2 }] }])
  release()
  for (const answer of await Promise.all(asked)) expect(answer.status).toBe(200)
  expect((await cutover.api('POST', '/api/servers/blue1/drain?wait=10s')).body).toMatchObject({ drained: ['blue1'] })
})

test('enabled again before the deadline, nothing is cut', async () => {
  const { handler, held, release } = holding()
  const { cutover, first } = await twoServers(handler, { drain: { timeout: '500ms' } })
  const asked = await under(1, cutover, first)
  await cutover.api('POST', '/api/servers/blue1/drain')
  const deadline = performance.now() + 500
  await cutover.api('POST', '/api/servers/blue1/enable')
  expect(performance.now(), 'too slow a machine to tell').toBeLessThan(deadline)
  await until(() => performance.now() > deadline + 100)
  expect(held.map((response) => response.destroyed)).toEqual([false])
  release()
  expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200])
})

test('T3 a name that stands in two services means both; ?service= narrows it', async () => {
  const [shopNode, shopOther, blogNode, blogOther] = await Promise.all([
    upstream('shop-node'),
    upstream('shop-other'),
    upstream('blog-node'),
    upstream('blog-other'),
  ])
  const named = (node: Upstream, other: Upstream) => ({
    pools: { main: { servers: { node1: node.url, node2: other.url } } },
    balance: 'roundRobin',
  })
  await define('shop', { ...named(shopNode, shopOther), paths: ['/shop'] })
  const cutover = await define('blog', { ...named(blogNode, blogOther), paths: ['/blog'] })
  const reached = async (path: string) => {
    const answers = [await ask(cutover, path), await ask(cutover, path), await ask(cutover, path)]
    return [...new Set(answers.map(({ body }) => body))].sort()
  }
  const states = async () => {
    const { body } = await cutover.api('GET', '/api/servers/node1')
    return body.servers.map(({ service, state, drained }: Record<string, unknown>) => [service, state, drained])
  }
  expect(await reached('/shop')).toEqual(['shop-node', 'shop-other'])

  const both = await cutover.api('POST', '/api/servers/node1/disable?wait=10s')
  expect(both.body.drained).toEqual(['node1'])
  expect(await states()).toEqual([
    ['shop', 'drain', true],
    ['blog', 'drain', true],
  ])
  expect([await reached('/shop'), await reached('/blog')]).toEqual([['shop-other'], ['blog-other']])

  await cutover.api('POST', '/api/servers/node1/enable?wait=10s')
  expect(await states()).toEqual([
    ['shop', 'ready', false],
    ['blog', 'ready', false],
  ])
  const one = await cutover.api('POST', '/api/servers/node1/disable?service=blog&wait=10s')
  expect(one.body.servers.map(({ service }: { service: string }) => service)).toEqual(['blog'])
  expect(await states()).toEqual([
    ['shop', 'ready', false],
    ['blog', 'drain', true],
  ])
  expect([await reached('/shop'), await reached('/blog')]).toEqual([['shop-node', 'shop-other'], ['blog-other']])
})

test('T5 a client that sends without pause is served by another server on the same connection', async () => {
  const { cutover, first } = await twoServers()
  const connection = await raw(cutover)
  const answers: string[] = []
  const state = { drained: false, after: 0 }
  const sending = (async () => {
    while (state.after < 50) {
      const answer = await connection.ask(['GET / HTTP/1.1', 'Host: x'])
      expect(answer.status).toBe(200)
      answers.push(answer.text)
      if (state.drained) state.after++
    }
  })()
  await first.arrived(20)
  expect((await cutover.api('POST', '/api/servers/blue1/drain?wait=10s')).body.drained).toEqual(['blue1'])
  const seen = first.requests.length
  state.drained = true
  await sending
  expect(answers).toContain('blue1')
  // The first one may have been answered before it was drained, and read after.
  expect(answers.slice(-49)).toEqual(Array.from({ length: 49 }, () => 'blue2'))
  expect(first.requests.length).toBe(seen)
  expect(connection.ended).toBe(null)
})

test('T6 idle connections to a drained server are closed, and busy ones when they become idle', async () => {
  const sockets = new Set<Socket>()
  const { handler, held, release } = holding()
  const noticing: Handler = (request, response, recorded) => {
    sockets.add(request.socket)
    handler(request, response, recorded)
  }
  const { cutover, first } = await twoServers(noticing, { connections: { keepAlive: '1h' } })
  // Nor does the server close them by itself.
  first.server.keepAliveTimeout = 0
  await under(4, cutover, first)
  expect(sockets.size).toBe(4)
  for (const response of held.splice(0, 3)) response.end('blue1')
  await until(async () => (await serverView(cutover, 'blue1')).inFlight === 1)
  // Three idle ones wait for their next request.
  expect([...sockets].filter((socket) => !socket.destroyed)).toHaveLength(4)
  const draining = cutover.api('POST', '/api/servers/blue1/drain?wait=10s')
  await until(async () => (await serverView(cutover, 'blue1')).state === 'drain')
  release()
  expect((await draining).body.drained).toEqual(['blue1'])
  for (const socket of sockets) if (!socket.destroyed) await once(socket, 'close')
})

test('T6 a pool that loses its share keeps no connection either', async () => {
  const sockets = new Set<Socket>()
  const blue = await upstream('blue1', (request, response) => {
    sockets.add(request.socket)
    response.end('blue1')
  })
  blue.server.keepAliveTimeout = 0
  const pools = { blue: pool(blue), green: pool(await upstream('green1')) }
  const cutover = await define('shop', { pools, split: { blue: 100 }, connections: { keepAlive: '1h' } })
  await spread(cutover, ['blue1'], 50)
  expect([...sockets].some((socket) => !socket.destroyed)).toBe(true)
  await cutover.api('POST', '/api/services/shop/switch?wait=10s')
  for (const socket of sockets) if (!socket.destroyed) await once(socket, 'close')
})

test('T6 a draining server is still checked; results do not change its state', async () => {
  const { cutover, first } = await twoServers()
  await cutover.api('POST', '/api/servers/blue1/drain?wait=10s')
  first.health = 503
  await health(cutover, 'blue1', 'down')
  expect(await serverView(cutover, 'blue1')).toMatchObject({ state: 'drain', drained: true })
  first.health = 200
  await health(cutover, 'blue1', 'up')
  expect(await serverView(cutover, 'blue1')).toMatchObject({ state: 'drain', drained: true })
  expect(await spread(cutover, ['blue1', 'blue2'], 100)).toEqual({ blue2: 100 })
  expect(first.requests).toEqual([])
})

test('T6 the result of a probe in flight at the start of a drain does not change its state', async () => {
  const probes: ServerResponse[] = []
  const first = await upstream('blue1', (request, response) => {
    if (request.url === '/check' && first.requests.length > 1) probes.push(response)
    else response.end('blue1')
  })
  const second = await upstream('blue2', (_request, response) => response.end('blue2'))
  const checks = { path: '/check', interval: '20ms', timeout: '20s', fall: 1 }
  const cutover = await define('shop', { pools: { blue: pool(first, second) }, health: checks })
  for (const [status, found] of [
    [503, 'down'],
    [200, 'up'],
  ] as const) {
    await until(() => probes.length === 1)
    await cutover.api('POST', '/api/servers/blue1/drain?wait=10s')
    probes.shift()?.writeHead(status).end()
    await health(cutover, 'blue1', found)
    expect(await serverView(cutover, 'blue1')).toMatchObject({ state: 'drain', drained: true })
    expect(await spread(cutover, ['blue1', 'blue2'], 50)).toEqual({ blue2: 50 })
  }
})

test('a server in maintenance is not even checked, and is checked first when it comes back', async () => {
  const { cutover, first } = await twoServers()
  await cutover.api('PATCH', '/api/servers/blue1?wait=10s', { state: 'maint' })
  expect(await serverView(cutover, 'blue1')).toMatchObject({ state: 'maint', drained: true, health: 'unknown' })
  const probes = first.probes
  first.health = 503
  // Long enough for several probes, had there been any.
  expect(await spread(cutover, ['blue1', 'blue2'], 500)).toEqual({ blue2: 500 })
  expect(first.probes).toBe(probes)
  await cutover.api('POST', '/api/servers/blue1/enable?wait=10s')
  await health(cutover, 'blue1', 'down')
  expect(await spread(cutover, ['blue1', 'blue2'], 50)).toEqual({ blue2: 50 })
  first.health = 200
  await health(cutover, 'blue1', 'up')
  expect(await spread(cutover, ['blue1', 'blue2'], 50)).toEqual({ blue1: 25, blue2: 25 })
})
