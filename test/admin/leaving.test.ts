import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { problem, type ServerName, useShop } from './support.ts'

const shop = useShop()
const POOLS = '/api/services/shop/pools'

/** A request that stays under way at a server of a pool, until `shop.held.release()`. */
async function hold(...names: readonly ServerName[]): Promise<{ server: ServerName; answer: Promise<string> }> {
  const held = () => names.find((name) => shop.server(name).requests.some(({ url }) => url === '/hold'))
  const answer = shop.ask('/hold')
  return { server: await until(held), answer }
}

/** Resolves when the API has read what was sent to it before: it has answered a number of requests that were sent later. */
async function sent(): Promise<void> {
  for (let i = 0; i < 20; i++) await shop.done('GET', '/healthz')
}

const servers = async (path: string) => (await shop.done('GET', path)).servers

test('a server that was deleted is shown as leaving with what it has, and can be waited for', async () => {
  const { server, answer } = await hold('blue1', 'blue2')
  const path = `${POOLS}/blue/servers/${server}`
  const { missing } = problem(await shop.api('DELETE', `${path}?wait=500ms`), 504, 'Not yet everywhere')
  expect(missing.underWay).toEqual([{ name: server, inFlight: 1 }])
  const shown = { name: server, service: 'shop', pool: 'blue', url: shop.server(server).url, state: 'leaving' }
  const leaving = { ...shown, inFlight: 1, weight: 0, drained: false, health: 'unknown', lastProbe: null }
  expect(await servers(`/api/servers/${server}`)).toMatchObject([leaving])
  expect(await servers('/api/servers?pool=blue')).toMatchObject([{ state: 'ready' }, leaving])
  const [blue] = (await shop.view()).pools
  expect(blue).toMatchObject({ up: 1, inFlight: 1, servers: [{ state: 'ready' }, leaving] })

  const revision = await shop.revision()
  const again = problem(await shop.api('DELETE', `${path}?wait=500ms`), 504, 'Not yet everywhere')
  expect(again).toMatchObject({ revision, changed: false, missing: { underWay: [{ name: server, inFlight: 1 }] } })
  const waited = shop.done('DELETE', `${path}?wait=20s`)
  await sent()
  shop.held.release()
  expect(await waited).toMatchObject({ revision, changed: false, drained: [server], cut: 0 })
  expect(await answer).toBe(server)
  problem(await shop.api('GET', `/api/servers/${server}`), 404, 'Unknown server')
  problem(await shop.api('DELETE', path), 404, 'Unknown server')
  expect((await shop.view()).pools[0].servers).toHaveLength(1)
})

test('a server that moved to another address is there, and at the old one it is leaving', async () => {
  const { server, answer } = await hold('blue1', 'blue2')
  const { url } = shop.server('green2')
  await shop.done('PUT', `${POOLS}/blue/servers/${server}`, url)
  await until(async () => (await servers(`/api/servers/${server}`)).length === 2)
  expect(await servers(`/api/servers/${server}`)).toMatchObject([
    { url, state: 'ready', inFlight: 0 },
    { url: shop.server(server).url, state: 'leaving', inFlight: 1 },
  ])
  shop.held.release()
  expect(await answer).toBe(server)
  await until(async () => (await servers(`/api/servers/${server}`)).length === 1)
})

test.each([
  ['a pool', `${POOLS}/blue`, undefined],
  ['a service', '/api/services/shop?force', null],
])('%s that was deleted can be waited for again, and its servers are shown meanwhile', async (_what, path, service) => {
  const { server, answer } = await hold('blue1', 'blue2')
  await shop.done('POST', '/api/services/shop/switch', { to: 'green' })
  const query = (wait: string) => `${path}${path.includes('?') ? '&' : '?'}wait=${wait}`
  problem(await shop.api('DELETE', query('50ms')), 504, 'Not yet everywhere')
  expect(await servers(`/api/servers/${server}`)).toMatchObject([{ state: 'leaving', inFlight: 1 }])
  expect(await servers('/api/servers?service=shop&pool=blue')).toHaveLength(1)
  const waited = shop.done('DELETE', query('20s'))
  await sent()
  shop.held.release()
  const body = await waited
  expect([body.changed, body.drained]).toEqual([false, [server]])
  if (service === null) expect(body.service).toBe(null)
  expect(await answer).toBe(server)
  expect((await shop.api('DELETE', path)).status).toBe(404)
})

test('a PUT that took a server out can be sent again to wait for it', async () => {
  const { server, answer } = await hold('blue1', 'blue2')
  const { pools, ...rest } = shop.definition()
  const { [server as 'blue1']: _gone, ...left } = pools.blue.servers
  const definition = { ...rest, pools: { ...pools, blue: { ...pools.blue, servers: left } } }
  problem(await shop.api('PUT', '/api/services/shop?wait=500ms', definition), 504, 'Not yet everywhere')
  const waited = shop.done('PUT', '/api/services/shop?wait=20s', definition)
  await sent()
  shop.held.release()
  expect(await waited).toMatchObject({ changed: false, drained: [server] })
  expect(await answer).toBe(server)
})

test('a pool is not drained while a server that was taken out of it has requests', async () => {
  const { server, answer } = await hold('blue1', 'blue2')
  await shop.done('DELETE', `${POOLS}/blue/servers/${server}`)
  const late = problem(await shop.api('POST', '/api/services/shop/switch?wait=500ms'), 504, 'Not yet everywhere')
  expect(late.missing.underWay).toEqual([{ name: 'blue', inFlight: 1 }])
  expect((await shop.view()).pools[0]).toMatchObject({ name: 'blue', drained: false, inFlight: 1 })
  shop.held.release()
  expect(await answer).toBe(server)
  await until(async () => (await shop.view()).pools[0].drained)
})

test('a switch with drain to where all traffic is sets the deadline for what is left', async () => {
  const { answer } = await hold('blue1', 'blue2')
  await shop.done('POST', '/api/services/shop/switch', { to: 'green' })
  const moved = await shop.done('POST', '/api/services/shop/switch', { to: 'green', drain: '1h' })
  expect(moved).toMatchObject({ changed: true, drained: [] })
  const { action, from, to } = await shop.lastEntry()
  expect([action, from, to]).toEqual(['drain', { blue: null }, { blue: expect.stringMatching(/Z$/) }])
  const body = await shop.done('POST', '/api/services/shop/switch?wait=20s', { to: 'green', drain: '50ms' })
  expect(body).toMatchObject({ changed: true, drained: ['blue'], cut: 1, service: { split: { blue: 0, green: 100 } } })
  expect(await answer).toMatch(/^5\d\d$/)
  // What was cut by then is not cut again.
  const again = await shop.done('POST', '/api/services/shop/switch?wait=20s', { to: 'green', drain: '50ms' })
  expect(again).toMatchObject({ changed: false, drained: ['blue'] })
  // And it was no routing decision.
  await shop.done('POST', '/api/services/shop/rollback')
  expect((await shop.view()).split).toEqual({ blue: 100, green: 0 })
})

test('what an answer names in drained is what its pools and servers say', async () => {
  for (let i = 0; i < 20; i++) {
    const { drained, service } = await shop.done('POST', '/api/services/shop/switch')
    const idle = service.pools.filter((pool: { drained: boolean }) => pool.drained)
    expect(drained).toEqual(idle.map(({ name }: { name: string }) => name))
    const disabled = await shop.done('POST', '/api/servers/blue1/disable')
    expect(disabled.drained).toEqual(disabled.servers[0].drained ? ['blue1'] : [])
    await shop.done('POST', '/api/servers/blue1/enable')
  }
})
