import { expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { define, health, pool, serverView, spread, upstream } from './support.ts'

const NAMES = ['blue1', 'blue2', 'blue3']
const weightOf = async (cutover: Cutover, name: string) => (await serverView(cutover, name)).effectiveWeight

/** Resolves when these servers have all of their weight. */
async function allThere(cutover: Cutover, ...names: readonly string[]): Promise<void> {
  for (const name of names) await until(async () => (await weightOf(cutover, name)) === undefined)
}

/** Expects that a server in slow start gets much less than its half of the requests, and says so. */
async function expectSlow(cutover: Cutover, name: string): Promise<void> {
  const weight = await weightOf(cutover, name)
  expect(weight).toBeGreaterThanOrEqual(0.1)
  expect(weight).toBeLessThan(0.4)
  const { [name]: count = 0, blue1 = 0 } = await spread(cutover, NAMES, 60)
  expect(count).toBeGreaterThan(2)
  expect(count).toBeLessThan(20)
  expect(blue1).toBeGreaterThan(40)
  const { body } = await cutover.api('GET', '/metrics')
  const shown = Number(new RegExp(`^cutover_server_weight\\{.*server="${name}"\\} (\\S+)$`, 'm').exec(body)?.[1])
  expect(shown).toBeGreaterThanOrEqual(weight)
  expect(shown).toBeLessThan(1)
}

test('a server that comes up, is enabled, gets a weight again, or is added, starts slowly; the others do not', async () => {
  const [blue1, blue2, blue3] = [await upstream('blue1'), await upstream('blue2'), await upstream('blue3')]
  const slow = { balance: 'roundRobin', slowStart: '3s' }
  const cutover = await define('shop', { pools: { blue: pool(blue1, blue2) }, ...slow })
  await allThere(cutover, 'blue1', 'blue2')
  expect(await spread(cutover, NAMES, 60)).toEqual({ blue1: 30, blue2: 30 })

  blue2.health = 503
  await health(cutover, 'blue2', 'down')
  blue2.health = 200
  await health(cutover, 'blue2', 'up')
  await expectSlow(cutover, 'blue2')
  await allThere(cutover, 'blue2')

  await cutover.api('POST', '/api/servers/blue2/drain?wait=10s')
  await cutover.api('POST', '/api/servers/blue2/enable?wait=10s')
  await expectSlow(cutover, 'blue2')
  // A change of something else does not begin it anew.
  const before = await weightOf(cutover, 'blue2')
  await cutover.api('PATCH', '/api/services/shop?wait=10s', { timeouts: { response: '30s' } })
  expect(await weightOf(cutover, 'blue2')).toBeGreaterThanOrEqual(before)
  await allThere(cutover, 'blue2')

  await cutover.api('PATCH', '/api/servers/blue2?wait=10s', { weight: 0 })
  expect(await spread(cutover, NAMES, 20)).toEqual({ blue1: 20 })
  await cutover.api('PATCH', '/api/servers/blue2?wait=10s', { weight: null })
  await expectSlow(cutover, 'blue2')
  await cutover.api('PATCH', '/api/servers/blue2?wait=10s', { weight: 0 })

  await cutover.api('PUT', '/api/services/shop/pools/blue/servers/blue3?wait=10s', { url: blue3.url })
  await health(cutover, 'blue3', 'up')
  await expectSlow(cutover, 'blue3')
})

test('slowStart that is switched on later is for servers that come later', async () => {
  const [blue1, blue2] = [await upstream('blue1'), await upstream('blue2')]
  const cutover = await define('shop', { pools: { blue: pool(blue1, blue2) }, balance: 'roundRobin' })
  await cutover.api('PATCH', '/api/services/shop?wait=10s', { slowStart: '50ms' })
  await allThere(cutover, 'blue1', 'blue2')
  await cutover.api('PATCH', '/api/services/shop?wait=10s', { slowStart: '1h' })
  await cutover.api('POST', '/api/servers/blue2/drain?wait=10s')
  await cutover.api('POST', '/api/servers/blue2/enable?wait=10s')
  expect(await weightOf(cutover, 'blue2')).toBeCloseTo(0.1, 2)
})
