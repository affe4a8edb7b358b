import { describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { freePort } from '../support/upstream.ts'
import { ask, define, expectNoneFailed, health, holding, pool, serverView, start, upstream } from './support.ts'

/** Long enough that within a test only the first check of a server takes place. */
const ONCE = { interval: '1h' }

async function reload(cutover: Cutover, services: object): Promise<void> {
  await cutover.configure({ services })
  const { status, body } = await cutover.api('POST', '/api/config/reload?wait=10s')
  expect([status, body.changed, body.detail]).toEqual([200, true, undefined])
}

describe('no request fails under load', () => {
  test.each([0, 2])('while service, server and checks are changed in the file, with %i workers', async (workers) => {
    const servers = [await upstream('blue1'), await upstream('blue2')]
    const [blue1, blue2] = servers.map(({ url }) => url)
    const service = (checks: unknown, names: readonly string[] = ['blue1', 'blue2']) => ({
      pools: { blue: { servers: { [names[0] ?? '']: blue1, [names[1] ?? '']: blue2 } } },
      health: checks,
      retry: { attempts: 1 },
    })
    const first = { shop: service(ONCE) }
    const cutover = await start({ services: first, proxy: { workers } })
    await until(async () => (await cutover.api('GET', '/api/services/shop')).body.pools[0].up === 2)
    const load = new Load({ url: `${cutover.proxy}/`, clients: 16, names: ['blue1', 'blue2'] })
    await load.more(100)
    for (const services of [
      { store: service(ONCE) },
      { shop: service(ONCE) },
      { shop: service(ONCE, ['one', 'two']) },
      { shop: service('off', ['one', 'two']) },
      { shop: service({ ...ONCE, path: '/other' }, ['one', 'two']) },
      { shop: service({ ...ONCE, path: '/healthz', fall: 2 }, ['one', 'two']) },
      { store: service({ ...ONCE, path: '/healthz', interval: '2h' }) },
      { shop: service('off') },
      { store: service(ONCE) },
      { shop: service({ ...ONCE, body: 'blue' }) },
    ]) {
      await reload(cutover, services)
      await load.more(200)
    }
    expectNoneFailed(await load.stop())
  })
})

test('a request that waits for a server is served under the new name of its service', async () => {
  const { handler, held, release } = holding()
  const server = await upstream('blue1', handler)
  const service = {
    pools: { blue: pool(server) },
    health: ONCE,
    connections: { perServer: 1 },
    timeouts: { queue: '1m' },
  }
  const cutover = await start({ services: { shop: service } })
  const first = ask(cutover)
  await server.arrived(1)
  const second = ask(cutover)
  const queued = 'cutover_queued_requests{service="shop"} 1'
  await until(async () => String((await cutover.api('GET', '/metrics')).body).includes(queued))
  await cutover.configure({ services: { store: service } })
  const reloaded = cutover.api('POST', '/api/config/reload')
  await server.arrived(2)
  expect(held).toHaveLength(2)
  release()
  expect([(await first).status, (await second).status, (await reloaded).status]).toEqual([200, 200, 200])
})

describe('the known health of a server', () => {
  test('carries over into a new service with the same check, which serves at once', async () => {
    const server = await upstream('blue1')
    const cutover = await define('shop', { pools: { blue: pool(server) }, health: ONCE })
    const api = { paths: ['/api'], pools: { main: pool(server) }, health: ONCE }
    expect((await cutover.api('PUT', '/api/services/api?wait=10s', api)).status).toBe(200)
    expect(await serverView(cutover, 'blue1')).toMatchObject({ health: 'up', lastProbe: { ok: true } })
    const answer = await ask(cutover, '/api')
    await cutover.api('DELETE', '/api/services/api?force')
    expect([answer.status, answer.body]).toEqual([200, 'blue1'])
    expect(server.probes).toBe(1)
  })

  test('does not count for a different check', async () => {
    const server = await upstream('blue1', (request, response) => {
      if (request.url !== '/check') response.end('blue1')
    })
    const cutover = await define('shop', { pools: { blue: pool(server) }, health: ONCE })
    const other = { paths: ['/other'], pools: { main: { servers: { other1: server.url } } } }
    const checks = { ...ONCE, path: '/check', timeout: '30s' }
    await cutover.api('PUT', '/api/services/other', { ...other, health: checks })
    await server.arrived(1)
    const view = await serverView(cutover, 'other1')
    await cutover.api('DELETE', '/api/services/other?force')
    expect(view.health).toBe('unknown')
  })

  test('stays down under another name and by another check, until one passes', async () => {
    const [blue1, blue2] = [await upstream('blue1'), await upstream('blue2')]
    const port = await freePort()
    const dead = { blue1: blue1.url, blue2: blue2.url, blue3: `http://127.0.0.1:${port}` }
    const checks = { interval: '20ms' }
    const services = { shop: { pools: { blue: { servers: dead } }, health: checks } }
    const cutover = await start({ services })
    await health(cutover, 'blue3', 'down')
    // Checks that get no answer.
    const held = await upstream('held', () => undefined)
    const slow = { ...checks, path: '/check', port: held.port, timeout: '1h' }
    await reload(cutover, { store: { ...services.shop, health: slow } })
    await held.arrived(3)
    expect([await serverView(cutover, 'blue1'), await serverView(cutover, 'blue3')]).toMatchObject([
      { health: 'up' },
      { health: 'down' },
    ])
    const back = await upstream('blue3', undefined, { port })
    await reload(cutover, services)
    await health(cutover, 'blue3', 'up')
    await until(async () => (await ask(cutover)).body === 'blue3')
    expect(back.probes).toBeGreaterThan(0)
  })

  test('lets a server have another name though minReady asks for it', async () => {
    const [blue1, blue2] = [await upstream('blue1'), await upstream('blue2')]
    const blue = (names: readonly [string, string]) => ({
      blue: { servers: { [names[0]]: blue1.url, [names[1]]: blue2.url } },
    })
    const cutover = await define('shop', { pools: blue(['blue1', 'blue2']), health: ONCE, minReady: 2 })
    const definition = { pools: blue(['one', 'two']), health: ONCE, minReady: 2 }
    const { status, body } = await cutover.api('PUT', '/api/services/shop?wait=10s', definition)
    expect([status, body.detail]).toEqual([200, undefined])
    expect((await ask(cutover)).status).toBe(200)
  })
})
