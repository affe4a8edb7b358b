import { afterEach, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { freePort, startUpstream } from '../support/upstream.ts'
import { endAll, endWithAll, isAlive, pids, pool, upstream } from './support.ts'

afterEach(endAll)

const SERVICE = { health: { interval: '50ms' }, retry: { attempts: 1 } }

/** Kills the control process, and waits until the next one answers. */
async function killControl(cutover: Cutover): Promise<void> {
  const [control] = await pids(cutover, 'control')
  process.kill(control as number, 'SIGKILL')
  await until(() => !isAlive(control as number))
  await until(async () => (await cutover.api('GET', '/ready')).status === 200, 30_000)
}

async function handoverOf(cutover: Cutover, service: string) {
  return (await cutover.api('GET', `/api/services/${service}`)).body.handover
}

test('a control process that is killed during a handover leaves the previous definition in force, and the next one ends it', async () => {
  const old = await upstream('old')
  const port = await freePort()
  const shop = { ...SERVICE, pools: { blue: pool(old) } }
  const cutover = await Cutover.start({ services: { shop }, proxy: { workers: 2 } })
  endWithAll(() => cutover.stop('SIGKILL'))
  const load = new Load({ url: `${cutover.proxy}/`, clients: 8, names: ['old', 'next'] })
  await load.more(100)
  // One service gets other servers, and another one takes a path.
  const next = { servers: { next: `http://127.0.0.1:${port}` } }
  await cutover.api('PUT', '/api/services/shop/pools/blue?force', next)
  await cutover.api('PUT', '/api/services/api', { ...SERVICE, paths: ['/api'], pools: { main: next } })
  const before = await Promise.all([handoverOf(cutover, 'shop'), handoverOf(cutover, 'api')])
  await load.more(100)
  await killControl(cutover)
  const after = await Promise.all([handoverOf(cutover, 'shop'), handoverOf(cutover, 'api')])
  expect(after).toMatchObject(before.map(({ since, until: end }) => ({ since, until: end })))
  expect(await (await fetch(`${cutover.proxy}/api`)).text()).toBe('old')
  await load.more(200)
  expect(load.figures()).toMatchObject({ failures: {}, answers: { old: load.completed } })
  const server = await startUpstream(undefined, { name: 'next', port })
  endWithAll(() => server.close())
  await until(async () => (await handoverOf(cutover, 'shop')) === undefined)
  await until(async () => (await (await fetch(`${cutover.proxy}/api`)).text()) === 'next')
  await load.more(200)
  const { failures, answers } = await load.stop()
  expect(failures).toEqual({})
  expect(answers.next).toBeGreaterThan(0)
})

test('a handover that has ended is not begun again by the next control process', async () => {
  const [old, next] = [await upstream('old'), await upstream('next')]
  const cutover = await Cutover.start({
    services: { shop: { ...SERVICE, pools: { blue: pool(old) } } },
    proxy: { workers: 1 },
  })
  endWithAll(() => cutover.stop('SIGKILL'))
  const { status } = await cutover.api('PUT', '/api/services/shop/pools/blue?force&wait=10s', pool(next))
  expect(status).toBe(200)
  await next.close()
  await killControl(cutover)
  expect(await handoverOf(cutover, 'shop')).toBeUndefined()
  const requests = old.requests.length
  expect((await fetch(cutover.proxy)).status).toBeGreaterThanOrEqual(502)
  expect(old.requests.length).toBe(requests)
})

test('a worker that starts during a handover serves the previous definition', async () => {
  const old = await upstream('old')
  const cutover = await Cutover.start({
    services: { shop: { ...SERVICE, pools: { blue: pool(old) } } },
    proxy: { workers: 2 },
  })
  endWithAll(() => cutover.stop('SIGKILL'))
  const load = new Load({ url: `${cutover.proxy}/`, clients: 8, names: ['old'] })
  const servers = { next: 'http://127.0.0.1:9' }
  await cutover.api('PUT', '/api/services/shop/pools/blue?force', { servers })
  expect((await cutover.api('POST', '/api/workers/restart?wait=20s')).status).toBe(200)
  await load.more(200)
  expect((await load.stop()).failures).toEqual({})
  expect(await handoverOf(cutover, 'shop')).toBeDefined()
})
