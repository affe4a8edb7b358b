import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { Cutover, type CutoverOptions } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { HEALTH, problem, send, useShop } from './support.ts'

const shop = useShop()

async function start(options: Partial<CutoverOptions>): Promise<Cutover> {
  const cutover = await Cutover.start({ services: { shop: shop.definition() }, ...options })
  onTestFinished(async () => {
    if (cutover.process.exitCode === null) await cutover.stop('SIGKILL')
  })
  return cutover
}

/** The URL of a server that takes connections and never answers: its first check is not in until the timeout. */
async function silentServer(): Promise<string> {
  const silent = net.createServer().listen(0, '127.0.0.1')
  const sockets = new Set<net.Socket>()
  silent.on('connection', (socket) => sockets.add(socket))
  await once(silent, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const { port } = silent.address() as net.AddressInfo
  return `http://127.0.0.1:${port}`
}

test('GET /healthz is 200 while the process lives', async () => {
  expect((await shop.api('GET', '/healthz')).body).toEqual({ status: 'ok' })
})

describe('GET /health', () => {
  const OK = { status: 'ok', detail: null }
  const health = async () => {
    const { status, body } = await shop.api('GET', '/health')
    return { code: status, ...body }
  }

  test('is ok in all its parts', async () => {
    expect(await health()).toEqual({
      code: 200,
      status: 'ok',
      revision: await shop.revision(),
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      parts: { store: OK, configuration: OK, definitions: OK, dataPlane: OK, processes: OK, 'service shop': OK },
    })
  })

  test('is degraded while a server of a pool with traffic is down, and failing when the last one is', async () => {
    shop.server('blue1').health = 503
    await until(async () => (await health()).status === 'degraded')
    const degraded = await health()
    expect(degraded).toMatchObject({ code: 200, parts: { store: OK } })
    const detail = 'blue: 1 of 2 servers take requests'
    expect(degraded.parts['service shop']).toEqual({ status: 'degraded', detail })

    shop.server('blue2').health = 503
    await until(async () => (await health()).status === 'failing')
    const failing = await health()
    expect([failing.code, failing.parts['service shop']]).toEqual([
      503,
      { status: 'failing', detail: 'blue: 0 of 2 servers take requests' },
    ])

    await shop.done('POST', '/api/services/shop/switch')
    expect((await health()).status).toBe('ok')
  })

  test('ignores a pool without traffic, but not a server that was taken out', async () => {
    for (const name of ['green1', 'green2'] as const) shop.server(name).health = 503
    await until(async () => (await shop.view()).pools[1].up === 0)
    expect((await health()).status).toBe('ok')
    await shop.done('POST', '/api/servers/blue1/disable')
    expect((await health()).status).toBe('degraded')
  })

  test('is failing for a pool that has all the traffic and no servers, or none with a weight', async () => {
    const { pools } = shop.definition()
    const servers = { blue1: null, blue2: null }
    await shop.done('PATCH', '/api/services/shop?force', { pools: { blue: { servers } } })
    const empty = await health()
    expect([empty.code, empty.parts['service shop']]).toEqual([503, { status: 'failing', detail: 'blue: no servers' }])
    await shop.done('PATCH', '/api/services/shop', { pools: { blue: pools.blue } })
    await shop.allUp()
    for (const name of ['blue1', 'blue2']) await shop.done('PATCH', `/api/servers/${name}?force`, { weight: 0 })
    const weightless = await health()
    const detail = 'blue: only servers of weight 0'
    expect([weightless.code, weightless.parts['service shop']]).toEqual([503, { status: 'failing', detail }])
    expect((await shop.view()).pools[0].up).toBe(0)
    await shop.done('PATCH', '/api/servers/blue1', { weight: 1 })
    expect((await health()).status).toBe('ok')
  })

  test('is failing if one of several services is', async () => {
    const pools = { one: { servers: { a: 'http://127.0.0.1:1' } } }
    await shop.done('PUT', '/api/services/dead', { paths: ['/dead'], pools })
    const { code, parts } = await health()
    expect([code, parts['service dead'].status, parts['service shop'].status]).toEqual([503, 'failing', 'ok'])
  })

  test('S5: a stored service whose definition cannot be read has no servers, and is named; the others serve', async () => {
    const dataPath = await mkdtemp(join(tmpdir(), 'cutover-invalid-'))
    onTestFinished(() => rm(dataPath, { recursive: true }))
    const store = new EmbeddedStore({ path: dataPath })
    await store.open()
    const document = { name: 'odd', revision: 1, source: { pols: {} }, decisions: [], servers: {}, poolCuts: {} }
    await store.commit({ revision: 1, at: new Date().toISOString(), services: { odd: document }, history: [] })
    await store.close()

    const cutover = await start({ dataPath })
    const { status, body } = await cutover.api('GET', '/health')
    expect([status, body.status]).toEqual([200, 'degraded'])
    expect(body.parts.definitions).toEqual({
      status: 'degraded',
      detail: expect.stringMatching(
        /^definitions that this version cannot read: odd \(pols: .*; without servers here\)$/,
      ),
    })
    expect(cutover.stderr).toContain('a definition cannot be read: it has no servers here')
    expect(cutover.stderr).toContain('did you mean \\"pools\\"?')
    expect((await (await fetch(cutover.proxy)).text()).startsWith('blue')).toBe(true)
    expect((await cutover.api('PUT', '/api/services/odd', shop.definition({ paths: ['/odd'] }))).status).toBe(200)
    expect((await cutover.api('GET', '/health')).body.parts.definitions).toEqual(OK)
  })
})

describe('GET /ready', () => {
  /** Takes its path from `shop` even before its servers are up. */
  const AT_ONCE = { paths: ['/slow'], timeouts: { handover: 0 } }

  test('is 200 once the first checks have ended', async () => {
    const { status, body } = await shop.api('GET', '/ready')
    expect([status, body]).toEqual([200, { ready: true, reason: null }])
  })

  test('is 503 before that, with the reason', async () => {
    const pools = { one: { servers: { a: await silentServer() } } }
    await shop.done('PUT', '/api/services/slow', { ...AT_ONCE, pools, health: { timeout: '1h' } })
    const { status, body } = await shop.api('GET', '/ready')
    expect([status, body]).toEqual([503, { ready: false, reason: 'the first health checks have not ended yet' }])
    const { healthChecks } = (await shop.api('GET', '/health')).body.parts
    const detail = 'not ready: slow/one (0 up; a server is in the first round of checks)'
    expect(healthChecks).toEqual({ status: 'degraded', detail })
    await shop.done('DELETE', '/api/services/slow?force')
    expect((await shop.api('GET', '/ready')).status).toBe(200)
  })

  test('waits for as many servers as minReady says, and for no more', async () => {
    const silent = await silentServer()
    const pools = { one: { servers: { a: shop.server('blue1').url, b: silent } } }
    const health = { ...HEALTH, timeout: '1h' }
    await shop.done('PUT', '/api/services/slow', { ...AT_ONCE, pools, health, minReady: 2 })
    await until(async () => (await shop.view('slow')).pools[0].up === 1)
    expect((await shop.api('GET', '/ready')).status).toBe(503)
    await shop.done('PATCH', '/api/services/slow', { minReady: 1 })
    expect((await shop.api('GET', '/ready')).status).toBe(200)
    const { healthChecks } = (await shop.api('GET', '/health')).body.parts
    const detail = `waiting for the first health check of a server: slow/one/b=${silent}`
    expect(healthChecks).toEqual({ status: 'degraded', detail })
  })

  test('says no while rise keeps the servers unknown, and yes once requests are served', async () => {
    const pools = { one: { servers: { a: shop.server('green1').url } } }
    const health = { interval: '400ms', rise: 3 }
    await shop.done('PUT', '/api/services/slow', { ...AT_ONCE, pools, health })
    const answers: number[] = []
    await until(async () => {
      const { status } = await shop.api('GET', '/ready')
      if (answers.at(-1) !== status) answers.push(status)
      return status === 200
    })
    expect(await shop.ask('/slow')).toBe('green1')
    expect(answers).toEqual([503, 200])
  })

  test('an instance that starts says that it is ready once requests are served, however many checks that takes', async () => {
    const cutover = await start({ services: { shop: shop.definition({ health: { interval: '400ms', rise: 3 } }) } })
    expect((await cutover.api('GET', '/ready')).status).toBe(200)
    expect((await fetch(cutover.proxy)).status).toBe(200)
  })

  test('servers that have been found to be down hold nothing up', async () => {
    const pools = { one: { servers: { a: 'http://127.0.0.1:1' } } }
    await shop.done('PUT', '/api/services/dead', { paths: ['/dead'], pools, health: { interval: '1h', fall: 3 } })
    await until(async () => (await shop.api('GET', '/ready')).status === 200)
    expect((await shop.view('dead')).pools[0].servers[0].health).toBe('unknown')
    expect((await shop.api('GET', '/health')).body.parts['service dead'].status).toBe('failing')
  })

  test('a service that was ready once holds nothing up: not while its only server comes back', async () => {
    const pools = { one: { servers: { a: shop.server('green1').url } } }
    await shop.done('PUT', '/api/services/solo', { paths: ['/solo'], pools, health: HEALTH })
    await shop.allUp('solo')
    expect((await shop.api('GET', '/ready')).status).toBe(200)
    await shop.done('PATCH', '/api/services/solo', { health: { interval: '1h', rise: 100 } })
    await shop.done('PATCH', '/api/servers/a?service=solo&force', { state: 'maint' })
    await shop.done('PATCH', '/api/servers/a?service=solo', { state: 'ready' })
    expect((await shop.api('GET', '/ready')).status).toBe(200)
    expect((await shop.view('solo')).pools[0].servers[0].health).toBe('unknown')
    expect((await shop.api('GET', '/health')).body.parts.healthChecks.status).toBe('degraded')
  })

  test('answers only addresses in admin.readyAllow', async () => {
    const cutover = await start({ admin: { readyAllow: ['10.0.0.0/8', '::1'] } })
    const { detail } = problem(await cutover.api('GET', '/ready'), 403, 'Not allowed')
    expect(detail).toContain('admin.readyAllow')
    expect((await cutover.api('GET', '/healthz')).status).toBe(200)
  })

  test('is 503 from the start of a shutdown, while new connections are still accepted for acceptFor', async () => {
    const cutover = await start({ shutdown: { acceptFor: '2s', timeout: '20s' } })
    expect((await cutover.api('GET', '/ready')).status).toBe(200)
    const held = fetch(`${cutover.proxy}/hold`).then((response) => response.text())
    await until(() => shop.server('blue1').requests.length + shop.server('blue2').requests.length === 1)
    const signalled = performance.now()
    cutover.process.kill('SIGTERM')
    await until(async () => (await cutover.api('GET', '/ready')).status === 503)
    expect((await cutover.api('GET', '/ready')).body).toEqual({ ready: false, reason: 'stopping' })
    const response = await send(cutover.proxy, { path: '/' })
    expect([response.status, response.body]).toEqual([200, expect.stringMatching(/^blue/)])
    // Now the listener closes; the admin API answers until the last request has.
    await until(async () => (await send(cutover.proxy, { path: '/' }).catch(() => null)) === null)
    expect(performance.now() - signalled).toBeGreaterThanOrEqual(2_000)
    expect((await cutover.api('GET', '/ready')).status).toBe(503)
    shop.held.release()
    expect(await held).toMatch(/^blue/)
    expect((await cutover.exited).code).toBe(0)
  })

  test('answers all peers at a socket file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cutover-socket-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'admin.sock')
    const options = { admin: { listen: `unix:${path}` } }
    const ask = async () => {
      const socket = net.connect(path)
      socket.end('GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
      const chunks = await socket.toArray()
      return Buffer.concat(chunks).toString()
    }
    const cutover = await start(options)
    expect(cutover.admin).toBe(`unix:${path}`)
    expect(await ask()).toContain('{"ready":true,"reason":null}')
    // What a killed process leaves behind does not keep the next one from starting.
    await cutover.stop('SIGKILL')
    await start(options)
    expect(await ask()).toContain('{"ready":true,"reason":null}')
  })
})
