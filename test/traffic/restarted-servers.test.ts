import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import type { Upstream } from '../support/upstream.ts'
import { define, expectNoneFailed, pool, serverView, upstream } from './support.ts'

/** Longer than it takes to eject a server, and than a check that has just been passed says anything. */
const DOWN_MS = 1_500

/** Restarts a server, and resolves once a check has passed since. */
async function restart(cutover: Cutover, server: Upstream): Promise<void> {
  await server.close()
  await delay(DOWN_MS)
  const again = await upstream(server.name, undefined, { port: server.port })
  const since = Date.now()
  await until(() => again.probes > 0)
  await until(async () => {
    const { lastProbe } = await serverView(cutover, server.name)
    return lastProbe.ok && Date.parse(lastProbe.at) > since
  })
}

test('two servers, restarted one after the other under load, with defaults: no GET fails', async () => {
  const servers = [await upstream('blue1'), await upstream('blue2')] as const
  const cutover = await define('shop', { pools: { blue: pool(...servers) }, health: {} })
  const load = new Load({ url: `${cutover.proxy}/`, clients: 16, names: ['blue1', 'blue2'], onlyGet: true })
  await load.more(200)
  for (const server of servers) {
    await restart(cutover, server)
    await load.more(200)
  }
  expectNoneFailed(await load.stop())
})

test('a server whose checks use another port is not un-ejected by them', async () => {
  const servers = [await upstream('blue1'), await upstream('blue2')] as const
  const checks = await upstream('checks')
  const health = { interval: '20ms', port: checks.port }
  const passive = { maxFails: 3, failTimeout: '1h' }
  const cutover = await define('shop', { pools: { blue: pool(...servers) }, health, passive })
  const load = new Load({ url: `${cutover.proxy}/`, clients: 4, names: ['blue1', 'blue2'], onlyGet: true })
  await servers[0].close()
  await until(async () => (await serverView(cutover, 'blue1')).health === 'ejected')
  const { probes } = checks
  await until(() => checks.probes > probes + 10)
  expect((await serverView(cutover, 'blue1')).health).toBe('ejected')
  expectNoneFailed(await load.stop())
})

test('the only server left cannot be reached: one that is ejected for its answers gets the requests', async () => {
  const [blue1, blue2] = [
    await upstream('blue1', (request, response) => response.writeHead(request.url === '/bad' ? 500 : 200).end('blue1')),
    await upstream('blue2'),
  ]
  const service = { health: { interval: '1h' }, retry: { attempts: 2 }, passive: { maxFails: 3, failTimeout: '1h' } }
  const cutover = await define('shop', { pools: { blue: pool(blue1, blue2) }, balance: 'roundRobin', ...service })
  while ((await serverView(cutover, 'blue1')).health !== 'ejected') await fetch(`${cutover.proxy}/bad`)
  await delay(1_000)
  await blue2.close()
  await until(async () => (await (await fetch(cutover.proxy)).text()) === 'blue1')
  expect(await serverView(cutover, 'blue2')).toMatchObject({ health: 'ejected' })
})
