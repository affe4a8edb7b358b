import { afterEach, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { freePort, startRawUpstream, type Upstream } from '../support/upstream.ts'
import { endAll, endWithAll, pids, pool, start, upstream } from './support.ts'

afterEach(endAll)

const DEPLOYS = 30
const CLIENTS = 32

async function definition(cutover: Cutover) {
  return (await cutover.api('GET', '/api/services/shop/definition')).body.written
}

function serversOf(...servers: readonly Upstream[]): Record<string, string> {
  return Object.fromEntries(servers.map(({ name, url }) => [name, url]))
}

test(`${DEPLOYS} deploys in a row under load, every third of broken servers: no request fails, and those change nothing`, async () => {
  const apps = [await upstream('app1'), await upstream('app2'), await upstream('app3'), await upstream('app4')]
  const failing = await upstream('failing')
  failing.health = 503
  const silent = await startRawUpstream(() => undefined)
  endWithAll(() => silent.close())
  const broken = [`http://127.0.0.1:${await freePort()}`, failing.url, silent.url]
  const pair = (at: number) => apps.slice(at, at + 2)
  const cutover = await start({
    service: {
      pools: { blue: pool(...pair(0)), green: pool(...pair(2)) },
      split: { blue: 100 },
      health: { interval: '100ms' },
    },
  })
  const load = new Load({ url: `${cutover.proxy}/`, clients: CLIENTS, names: apps.map(({ name }) => name) })
  let active = 'blue'
  for (let round = 0; round < DEPLOYS; round++) {
    await load.more(50)
    const standby = active === 'blue' ? 'green' : 'blue'
    const next = pair(active === 'blue' ? 2 : 0)
    const before = await definition(cutover)
    const isBroken = round % 3 === 2
    const bad = isBroken ? { bad: broken[Math.floor(round / 3) % broken.length] } : {}
    const { status, body } = await cutover.api('POST', '/api/services/shop/deploy', {
      servers: { ...serversOf(...next), ...bad },
      version: `${round}`,
      timeout: isBroken ? '400ms' : '20s',
    })
    expect([round, status, body.title, body.drained]).toEqual(
      isBroken ? [round, 504, 'Not up in time', undefined] : [round, 200, undefined, [active]],
    )
    if (isBroken) {
      expect(body.servers.map(({ name }: { name: string }) => name)).toEqual(['bad'])
      expect(await definition(cutover)).toEqual(before)
    } else active = standby
    const { body: view } = await cutover.api('GET', '/api/services/shop')
    expect([round, view.split[active], view.deploying]).toEqual([round, 100, undefined])
  }
  const figures = await load.stop()
  expect(figures.failures).toEqual({})
  expect(figures.completed).toBeGreaterThan(DEPLOYS * 50)
  expect(Object.keys(figures.answers).sort()).toEqual(['app1', 'app2', 'app3', 'app4'])
})

test('killing the control process in the middle: no request fails, and the next one restores the pool within seconds', async () => {
  const [blue, green, slow] = [await upstream('blue1'), await upstream('green1'), await upstream('green9')]
  slow.health = 503
  const pools = { blue: pool(blue), green: pool(green) }
  const cutover = await start({ service: { pools, split: { blue: 100 }, health: { interval: '100ms' } } })
  const load = new Load({ url: `${cutover.proxy}/`, clients: CLIENTS, names: ['blue1'] })
  const before = await definition(cutover)
  const body = { pool: 'violet', servers: serversOf(slow), reason: 'release 9' }
  const call = cutover.api('POST', '/api/services/shop/deploy', body).catch((error: unknown) => error)
  await until(async () => (await cutover.api('GET', '/api/services/shop')).body.deploying)
  await load.more(200)
  const [pid] = await pids(cutover, 'control')
  process.kill(pid as number, 'SIGKILL')
  expect(await call).toBeInstanceOf(Error)
  const since = performance.now()
  await until(async () => {
    const { body: view } = await cutover.api('GET', '/api/services/shop')
    return view.name === 'shop' && view.deploying === undefined
  })
  expect(performance.now() - since).toBeLessThan(10_000)
  expect(await definition(cutover)).toEqual(before)
  const { history } = (await cutover.api('GET', '/api/services/shop/history')).body
  expect(history.slice(0, 2)).toMatchObject([
    { action: 'abandon deploy', by: 'local', reason: expect.stringContaining('its instance has ended') },
    { action: 'begin deploy', by: 'local', reason: 'release 9' },
  ])
  await load.more(200)
  expect((await load.stop()).failures).toEqual({})
  // The next deploy is not in the way of anything.
  slow.health = 200
  const next = await cutover.api('POST', '/api/services/shop/deploy', body)
  expect([next.status, next.body.detail]).toEqual([200, undefined])
})
