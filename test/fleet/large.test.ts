import { afterAll, beforeEach, expect, test } from 'vitest'
import { LARGE_FLEET } from '../support/large-fleet.ts'
import { until } from '../support/until.ts'
import { Fleet, hold, INSTANCES, killWhole, reached, serverView, timed } from './support.ts'

// As in a fleet of hundreds: no instance sends its progress to the others; they read summaries of it.
const started = Fleet.start({ env: LARGE_FLEET }, { persist: true })
let fleet: Fleet
beforeEach(async () => {
  fleet = await started
  await fleet.reset()
})
afterAll(async () => (await started).stop())

/** What the instances have told each other about their progress, and what they keep in Redis of it. */
async function traffic(): Promise<{ told: number; kept: number }> {
  const [reports, changes] = await Promise.all(
    ['reports', 'progress:changes'].map((key) => fleet.redis.cli('XREVRANGE', `{cutover}:${key}`, '+', '-')),
  )
  return { told: reports?.match(/"applied"/g)?.length ?? 0, kept: changes?.match(/"applied"/g)?.length ?? 0 }
}

test('a switch that was waited for is in force everywhere, without a report to each other instance', async () => {
  const before = await traffic()
  for (const to of ['green', 'blue', 'green']) {
    const switched = await fleet.get('a').api('POST', '/api/services/shop/switch?wait=10s', { to })
    expect([switched.status, switched.body.drained]).toEqual([200, [to === 'green' ? 'blue' : 'green']])
    for (const name of INSTANCES)
      for (const server of await reached(fleet.get(name))) expect(server).toMatch(new RegExp(`^${to}`))
  }
  const after = await traffic()
  expect(after.told).toBe(before.told)
  expect(after.kept).toBeGreaterThan(before.kept)
})

test('a drain waits for a request in flight at another instance, says where it is, and counts what is cut', async () => {
  const [held] = await hold(fleet, fleet.get('c'), 'blue1', 1)
  const refused = await fleet.get('a').api('POST', '/api/servers/blue1/drain?wait=1s')
  expect(refused.status).toBe(504)
  expect(JSON.stringify(refused.body)).toContain('c')
  for (const name of INSTANCES) expect((await serverView(fleet.get(name), 'blue1')).drained).toBe(false)
  const waiting = timed(fleet.get('b').api('POST', '/api/servers/blue1/drain?wait=20s'))
  await until(() => fleet.app.held('blue1') > 0)
  fleet.app.release()
  await held
  const ended = performance.now()
  const drained = await waiting
  expect([drained.status, drained.body.drained]).toEqual([200, ['blue1']])
  expect(drained.at - ended).toBeLessThan(3_000)
  for (const name of INSTANCES) await until(async () => (await serverView(fleet.get(name), 'blue1')).drained, 5_000)

  const cut = await hold(fleet, fleet.get('c'), 'blue2', 2)
  const switched = await fleet
    .get('a')
    .api('POST', '/api/services/shop/switch?wait=20s', { to: 'green', drain: '300ms' })
  expect([switched.status, switched.body.drained, switched.body.cut]).toEqual([200, ['blue'], 2])
  await Promise.allSettled(cut)
})

test('while Redis restarts nothing is called drained too early, and waiting goes on after it', async () => {
  const [held] = await hold(fleet, fleet.get('c'), 'blue1', 1)
  const waiting = fleet.get('a').api('POST', '/api/servers/blue1/drain?wait=30s')
  let answered = false
  void waiting.then(() => {
    answered = true
  })
  await until(async () => (await serverView(fleet.get('b'), 'blue1')).state === 'drain')
  await fleet.redis.shutdown()
  await fleet.redis.restart()
  await until(async () => {
    const { status } = await fleet.get('b').api('POST', '/api/servers/green1/enable?wait=5s')
    return status === 200
  })
  expect(answered).toBe(false)
  fleet.app.release()
  await held
  const drained = await waiting
  expect([drained.status, drained.body.drained]).toEqual([200, ['blue1']])
})

test('an instance that is killed while it is waited for is left out, and named', async () => {
  const [a, b] = [fleet.get('a'), fleet.get('b')]
  await hold(fleet, b, 'blue1', 1)
  const waiting = timed(a.api('POST', '/api/servers/blue1/drain?wait=30s'))
  await until(async () => (await serverView(b, 'blue1')).state === 'drain')
  await killWhole(b)
  const { status, body, ms } = await waiting
  expect([status, body.leftOut, body.drained]).toEqual([200, ['b'], ['blue1']])
  expect(ms).toBeLessThan(8_000)
  await fleet.add('b')
  await fleet.settled()
})
