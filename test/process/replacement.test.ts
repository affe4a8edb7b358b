import type { ServerResponse } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { Load } from '../support/load.ts'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { endAll, endWithAll, isAlive, pids, pool, start, upstream } from './support.ts'

afterEach(endAll)

test('SIGUSR2 replaces every worker under load, and no request fails', async () => {
  const servers = [await upstream('blue1'), await upstream('blue2')]
  const cutover = await start({ service: { pools: { blue: pool(...servers) }, health: 'off' } })
  const before = await pids(cutover, 'worker')
  const load = new Load({ url: `${cutover.proxy}/`, clients: 60, pauseMs: 0, names: ['blue1', 'blue2'] })
  await load.more(1_000)
  cutover.process.kill('SIGUSR2')
  await until(async () => {
    const now = await pids(cutover, 'worker')
    return now.length === 2 && now.every((pid) => !before.includes(pid))
  }, 30_000)
  await load.more(1_000)
  const figures = await load.stop()
  expect(figures.failures).toEqual({})
  expect(before.some(isAlive)).toBe(false)
})

test('POST /api/workers/restart?wait= answers when all workers are replaced; new connections are never refused', async () => {
  const cutover = await start({ service: { pools: { blue: pool(await upstream('blue1')) }, health: 'off' } })
  const before = await pids(cutover, 'worker')
  let done = false
  const statuses = new Map<number, number>()
  const connecting = (async () => {
    while (!done) {
      const client = await RawConnection.connect(cutover.proxy)
      const { status } = await client.ask(['GET / HTTP/1.1', 'host: a', 'connection: close'])
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      client.destroy()
    }
  })()
  const { status, body } = await cutover.api('POST', '/api/workers/restart?wait=25s')
  done = true
  await connecting
  expect([status, body]).toEqual([200, { restarting: false }])
  expect([...statuses.keys()]).toEqual([200])
  const now = await pids(cutover, 'worker')
  expect([now.length, now.some((pid) => before.includes(pid))]).toEqual([2, false])
})

test('a request on an old worker finishes there; a drain still counts it', async () => {
  const held: ServerResponse[] = []
  const blue = await upstream('blue1', (_request, response) => held.push(response))
  const cutover = await start({
    service: { pools: { blue: pool(blue), green: pool(blue) }, split: { blue: 100 }, health: 'off' },
  })
  const client = await RawConnection.connect(cutover.proxy)
  endWithAll(() => client.destroy())
  const answer = client.ask(['GET / HTTP/1.1', 'host: a'])
  await until(() => held.length === 1)
  expect((await cutover.api('POST', '/api/workers/restart')).status).toBe(202)
  await until(async () => (await pids(cutover, 'worker')).length === 3)
  const late = await cutover.api('POST', '/api/services/shop/switch?wait=300ms', { to: 'green' })
  expect([late.status, late.body.missing.underWay]).toEqual([504, [{ name: 'blue', inFlight: 1 }]])
  held[0]?.end('done')
  expect((await answer).text).toBe('done')
  expect((await cutover.api('POST', '/api/services/shop/switch?wait=20s', { to: 'green' })).status).toBe(200)
})

test('a WebSocket stays with its replaced worker until shutdown.timeout, and then gets 1001', async () => {
  const blue = await upstream('blue1')
  const peers = new WebSocketServer({ server: blue.server })
  peers.on('connection', (peer) => peer.on('message', (data) => peer.send(data)))
  const cutover = await start({
    service: { pools: { blue: pool(blue) }, health: 'off' },
    shutdown: { timeout: '3s' },
  })
  const socket = new WebSocket(cutover.proxy.replace('http', 'ws'))
  endWithAll(() => socket.terminate())
  await new Promise((resolve) => socket.once('open', resolve))
  const closed = new Promise<number>((resolve) => socket.once('close', (code) => resolve(code)))
  const since = performance.now()
  const restarted = cutover.api('POST', '/api/workers/restart?wait=25s')
  await until(async () => (await pids(cutover, 'worker')).length === 3)
  const echoed = new Promise((resolve) => socket.once('message', (data) => resolve(String(data))))
  socket.send('still here')
  expect(await echoed).toBe('still here')
  expect(await closed).toBe(1001)
  expect(performance.now() - since).toBeGreaterThan(1_500)
  expect((await restarted).status).toBe(200)
})

test('POST /api/workers/restart without workers is a 409', async () => {
  const cutover = await start({
    service: { pools: { blue: pool(await upstream('blue1')) }, health: 'off' },
    workers: 0,
  })
  const { status, body } = await cutover.api('POST', '/api/workers/restart')
  expect([status, body.title]).toEqual([409, 'No workers'])
})
