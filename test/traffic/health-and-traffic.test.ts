import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import type { Handler, Upstream } from '../support/upstream.ts'
import { ask, blueGreen, define, expectFast, health, pool, poolView, serverView, spread, upstream } from './support.ts'

const NAMES = ['blue1', 'blue2', 'blue3']

/** Everything is refused at once, and tried nowhere. */
async function expectUnavailable(cutover: Cutover, servers: readonly Upstream[]): Promise<void> {
  const seen = servers.map(({ requests }) => requests.length)
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(cutover)))
  for (const { status, headers } of answers) {
    expect(status).toBe(503)
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  }
  const times: number[] = []
  for (let i = 0; i < 20; i++) times.push((await ask(cutover)).ms)
  expectFast(times, 100)
  expect(servers.map(({ requests }) => requests.length)).toEqual(seen)
}

test('T7 all servers of the active pool draining: 503 at once, with Retry-After; not the standby', async () => {
  const blue1 = await upstream('blue1')
  const blue2 = await upstream('blue2')
  const green1 = await upstream('green1')
  const pools = { blue: pool(blue1, blue2), green: pool(green1) }
  const cutover = await define('shop', { pools, split: { blue: 100 } })
  await cutover.api('POST', '/api/servers/blue1/drain?wait=10s')
  await cutover.api('POST', '/api/servers/blue2/drain?wait=10s&force')
  await expectUnavailable(cutover, [blue1, blue2, green1])
  await cutover.api('POST', '/api/servers/blue2/enable?wait=10s')
  expect(await spread(cutover, NAMES, 50)).toEqual({ blue2: 50 })
})

test('T7 all servers of the active pool down: 503 at once, with Retry-After, and back as soon as one is up', async () => {
  const blue1 = await upstream('blue1')
  const blue2 = await upstream('blue2')
  const cutover = await define('shop', { pools: { blue: pool(blue1, blue2) } })
  blue1.health = 503
  blue2.health = 503
  await Promise.all([health(cutover, 'blue1', 'down'), health(cutover, 'blue2', 'down')])
  await expectUnavailable(cutover, [blue1, blue2])
  blue1.health = 200
  await health(cutover, 'blue1', 'up')
  expect(await spread(cutover, NAMES, 50)).toEqual({ blue1: 50 })
})

test('T7 all servers gone before a check has noticed: 502 at once, and back as soon as one listens again', async () => {
  const blue1 = await upstream('blue1')
  const blue2 = await upstream('blue2')
  const pools = { blue: pool(blue1, blue2) }
  const cutover = await define('shop', { pools, health: { interval: '1h' }, passive: { maxFails: 0 } })
  await Promise.all([blue1.close(), blue2.close()])
  const times: number[] = []
  for (let i = 0; i < 20; i++) {
    const { status, ms } = await ask(cutover)
    expect(status).toBe(502)
    times.push(ms)
  }
  expectFast(times, 100)
  await upstream('blue2', undefined, { port: blue2.port })
  expect(await spread(cutover, NAMES, 50)).toEqual({ blue2: 50 })
})

test('T8 a drain that would leave fewer than minReady is refused with the numbers; force does it, on the record', async () => {
  const servers = await Promise.all(NAMES.map((name) => upstream(name)))
  const cutover = await define('shop', { pools: { blue: pool(...servers) }, minReady: 2 })
  expect((await cutover.api('POST', '/api/servers/blue1/drain?wait=10s')).status).toBe(200)
  const before = (await cutover.api('GET', '/api/services/shop')).body

  const refused = await cutover.api('POST', '/api/servers/blue2/drain?wait=10s')
  expect(refused.status).toBe(409)
  expect(refused.body.detail).toContain('1 of its 3 servers up, fewer than minReady (2)')
  expect(refused.body.detail).toContain('"force": true')
  const after = (await cutover.api('GET', '/api/services/shop')).body
  expect(after.revision).toBe(before.revision)
  expect(await serverView(cutover, 'blue2')).toMatchObject({ state: 'ready' })
  // Nor by its other ways in.
  for (const change of [{ state: 'drain' }, { state: 'maint' }, { weight: 0 }]) {
    expect((await cutover.api('PATCH', '/api/servers/blue2', change)).status, JSON.stringify(change)).toBe(409)
  }
  expect((await cutover.api('POST', '/api/servers/blue2/disable')).status).toBe(409)

  const forced = await cutover.api('POST', '/api/servers/blue2/drain?wait=10s', { force: true, reason: 'power cut' })
  expect([forced.status, forced.body.drained]).toEqual([200, ['blue2']])
  const { history } = (await cutover.api('GET', '/api/services/shop/history')).body
  expect(history[0]).toMatchObject({ action: 'drain', forced: true, reason: 'power cut' })
  expect(history[1]).toMatchObject({ action: 'drain', forced: false })
  expect(await spread(cutover, NAMES, 50)).toEqual({ blue3: 50 })
})

test('T8 a switch to a pool with fewer than minReady up is refused with the numbers; force does it, on the record', async () => {
  const blue = [await upstream('blue1'), await upstream('blue2')]
  const green = [await upstream('green1'), await upstream('green2')]
  const pools = { blue: pool(...blue), green: pool(...green) }
  const cutover = await define('shop', { pools, split: { blue: 100 }, minReady: 2 })
  if (green[0] !== undefined) green[0].health = 503
  await health(cutover, 'green1', 'down')
  for (const [verb, body] of [
    ['switch', { to: 'green' }],
    ['switch', {}],
    ['shift', { to: 'green', percent: 1 }],
    ['shift', { split: { blue: 50, green: 50 } }],
  ] as const) {
    const { status, body: answer } = await cutover.api('POST', `/api/services/shop/${verb}`, body)
    expect(status).toBe(409)
    expect(answer.detail).toContain('1 of its 2 servers up, fewer than minReady (2)')
  }
  expect((await poolView(cutover, 'blue')).share).toBe(100)
  const forced = await cutover.api('POST', '/api/services/shop/switch?wait=10s', { force: true, reason: 'blue burns' })
  expect(forced.body).toMatchObject({ changed: true, drained: ['blue'] })
  const { history } = (await cutover.api('GET', '/api/services/shop/history')).body
  expect(history[0]).toMatchObject({ action: 'switch', forced: true, reason: 'blue burns', to: { green: 100 } })
  expect(await spread(cutover, ['green1', 'green2'], 50)).toEqual({ green2: 50 })
})

test('T8 a switch to a pool that was not checked yet is refused', async () => {
  const { cutover } = await blueGreen(undefined, { health: { interval: '20ms', path: '/check', timeout: '30s' } })
  const silent = await upstream('next1', () => undefined)
  await cutover.api('PUT', '/api/services/shop/pools/next', pool(silent))
  await silent.arrived(1)
  const { status, body } = await cutover.api('POST', '/api/services/shop/switch', { to: 'next' })
  expect([status, body.detail]).toEqual([409, expect.stringContaining('0 of its 1 servers up')])
})

/** A server whose probes the test answers; everything else it answers with its name. */
function answeringProbes() {
  const probes: ServerResponse[] = []
  const handler: Handler = (request, response) => {
    if (request.url !== '/check') response.end(String(response.getHeader('x-upstream')))
    else probes.push(response)
  }
  const probe = async (server: Upstream): Promise<ServerResponse> => {
    while (probes.length === 0) await once(server.server, 'recorded')
    return probes.shift() as ServerResponse
  }
  return { handler, probe }
}

const HELD_CHECKS = { path: '/check', interval: '20ms', timeout: '30s', fall: 1 }

test('T14 a server that was down gets nothing before it has passed a check', async () => {
  const blue1 = await upstream('blue1')
  const blue2 = await upstream('blue2')
  const cutover = await define('shop', { pools: { blue: pool(blue1, blue2) }, health: HELD_CHECKS })
  await blue1.close()
  await health(cutover, 'blue1', 'down')
  expect(await spread(cutover, NAMES, 50)).toEqual({ blue2: 50 })

  const { handler, probe } = answeringProbes()
  const back = await upstream('blue1', handler, { port: blue1.port })
  const first = await probe(back)
  expect(await spread(cutover, NAMES, 50)).toEqual({ blue2: 50 })
  first.writeHead(503).end()
  const second = await probe(back)
  expect(await spread(cutover, NAMES, 50)).toEqual({ blue2: 50 })
  expect(back.requests.every(({ url }) => url === '/check')).toBe(true)
  second.writeHead(200).end()
  await health(cutover, 'blue1', 'up')
  expect(Object.keys(await spread(cutover, NAMES, 50)).sort()).toEqual(['blue1', 'blue2'])
})

test('T14 a server that is new, or has moved, gets nothing before it has passed a check', async () => {
  const blue1 = await upstream('blue1')
  const cutover = await define('shop', { pools: { blue: pool(blue1) }, health: HELD_CHECKS })
  const path = '/api/services/shop/pools/blue/servers/blue2'
  for (const name of ['blue2', 'blue3']) {
    const { handler, probe } = answeringProbes()
    const server = await upstream(name, handler)
    await cutover.api('PUT', path, server.url)
    const first = await probe(server)
    expect(await serverView(cutover, 'blue2')).toMatchObject({ health: 'unknown', url: server.url })
    // While the moved one is not up, its former address goes on.
    expect(Object.keys(await spread(cutover, NAMES, 50))).not.toContain(name)
    first.end()
    await health(cutover, 'blue2', 'up')
    expect(Object.keys(await spread(cutover, NAMES, 50)).sort()).toEqual(['blue1', name])
    // The checks that follow are not what this is about.
    void (async () => {
      for (;;) (await probe(server)).end()
    })()
  }
})

test('T14 a change of the configuration keeps the known health, and fails no request', async () => {
  const blue1 = await upstream('blue1')
  const blue2 = await upstream('blue2')
  const cutover = await define('shop', { pools: { blue: pool(blue1, blue2) }, health: { interval: '1h' } })
  blue2.health = 503
  for (const patch of [
    { balance: 'roundRobin' },
    { timeouts: { response: '5s' } },
    { connections: { keepAlive: '2s' } },
    { pools: { blue: { version: '2' } } },
    { pools: { blue: { servers: { blue1: { url: blue1.url, weight: 3 } } } } },
    { pools: { green: { servers: { green1: blue1.url } } }, split: { blue: 100 } },
  ]) {
    expect((await cutover.api('PATCH', '/api/services/shop?wait=10s', patch)).body.changed).toBe(true)
    expect(await serverView(cutover, 'blue1')).toMatchObject({ health: 'up' })
    expect(await serverView(cutover, 'blue2')).toMatchObject({ health: 'up' })
    const answers = await spread(cutover, NAMES, 40)
    expect(Object.keys(answers).sort()).toEqual(['blue1', 'blue2'])
  }
  // green1 is the same server, checked alike: one check is enough.
  expect([blue2.probes, blue1.probes]).toEqual([1, 1])
})

test('T14 changed checks start at once, and decide from their first result on', async () => {
  const { handler, probe } = answeringProbes()
  const blue1 = await upstream('blue1', handler)
  const cutover = await define('shop', { pools: { blue: pool(blue1) }, health: { interval: '1h' } })
  await cutover.api('PATCH', '/api/services/shop?wait=10s', { health: HELD_CHECKS })
  const first = await probe(blue1)
  expect(await serverView(cutover, 'blue1')).toMatchObject({ health: 'up' })
  expect(await spread(cutover, NAMES, 20)).toEqual({ blue1: 20 })
  first.writeHead(503).end()
  await health(cutover, 'blue1', 'down')
  expect((await ask(cutover)).status).toBe(503)
})
