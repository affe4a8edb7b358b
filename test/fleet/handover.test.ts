import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { freePort, startUpstream } from '../support/upstream.ts'
import { Fleet, shop } from './support.ts'

let fleet: Fleet
beforeAll(async () => {
  fleet = await Fleet.empty()
  await fleet.add('a')
  await fleet.add('b', { services: {} })
  await fleet.settled()
})
afterAll(() => fleet?.stop())

test('servers that are replaced are drained only when the new ones are up at every instance', async () => {
  const [a, b] = [fleet.get('a'), fleet.get('b')]
  const port = await freePort()
  const servers = { next: `http://127.0.0.1:${port}` }
  const replaced = a.api('PUT', '/api/services/shop/pools/blue?force&wait=60s', { servers })
  await until(async () => (await shop(b)).handover !== undefined && (await shop(a)).handover !== undefined)
  const late = await b.api('DELETE', '/api/services/shop/pools/blue/servers/blue1?wait=500ms')
  expect([late.status, late.body.missing.handovers.map(({ instance }: { instance: string }) => instance)]).toEqual([
    504,
    ['b', 'a'],
  ])
  // Changes of other pools and services are not held up by it.
  const definition = { hosts: ['other.test'], pools: { main: { servers: { other: servers.next } } }, health: 'off' }
  expect((await b.api('PUT', '/api/services/other?wait=20s', definition)).status).toBe(200)
  expect((await b.api('GET', '/api/services/shop')).body.pools[0].drained).toBe(false)
  const before = fleet.app.count(['blue1', 'blue2'])
  expect(await (await fetch(b.proxy)).text()).toMatch(/^blue/)
  expect(fleet.app.count(['blue1', 'blue2'])).toBe(before + 1)
  const server = await startUpstream(undefined, { name: 'next', port })
  try {
    const { status, body } = await replaced
    expect([status, body.drained]).toEqual([200, ['blue1', 'blue2']])
    for (const each of [a, b]) expect(await (await fetch(each.proxy)).text()).toBe('next')
    expect(fleet.app.count(['blue1', 'blue2'])).toBe(before + 1)
  } finally {
    await server.close()
  }
})
