import { afterEach, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { endAll, isAlive, pids, pool, start, upstream } from './support.ts'

afterEach(endAll)

const weightOf = async (cutover: Cutover, name: string): Promise<number | undefined> =>
  (await cutover.api('GET', `/api/servers/${name}`)).body.servers[0].effectiveWeight

/** Share of the requests that go to blue2. */
async function shareOfBlue2(cutover: Cutover): Promise<number> {
  const load = new Load({ url: `${cutover.proxy}/`, clients: 8, names: ['blue1', 'blue2'], requests: 400 })
  const { failures, answers } = await load.done
  expect(failures).toEqual({})
  return (answers.blue2 ?? 0) / 400
}

/** Expects that blue1 has all of its weight, and blue2 as much as it had, or more. */
async function expectOn(cutover: Cutover, before: number): Promise<number> {
  expect(await weightOf(cutover, 'blue1')).toBeUndefined()
  const weight = (await weightOf(cutover, 'blue2')) ?? 1
  expect(weight).toBeGreaterThanOrEqual(before)
  const share = await shareOfBlue2(cutover)
  const after = (await weightOf(cutover, 'blue2')) ?? 1
  // A few requests more or less, since each worker spreads its own.
  expect(share).toBeGreaterThan(before / (1 + before) - 0.03)
  expect(share).toBeLessThan(after / (1 + after) + 0.03)
  return weight
}

test('replaced workers and a restarted control process go on with a slow start, and begin none', async () => {
  const [blue1, blue2] = [await upstream('blue1'), await upstream('blue2')]
  const service = {
    pools: { blue: pool(blue1, blue2) },
    balance: 'roundRobin',
    slowStart: '10s',
    health: { interval: '100ms' },
  }
  const cutover = await start({ service })
  for (const name of ['blue1', 'blue2']) await until(async () => (await weightOf(cutover, name)) === undefined)
  await cutover.api('POST', '/api/servers/blue2/drain?wait=10s')
  await cutover.api('POST', '/api/servers/blue2/enable?wait=10s')
  await until(async () => ((await weightOf(cutover, 'blue2')) ?? 1) > 0.25)
  expect((await cutover.api('POST', '/api/workers/restart?wait=25s')).status).toBe(200)
  const before = await expectOn(cutover, 0.25)

  const [control = 0] = await pids(cutover, 'control')
  process.kill(control, 'SIGKILL')
  await until(() => !isAlive(control))
  await until(async () => (await cutover.api('GET', '/ready')).status === 200)
  await expectOn(cutover, before)
})
