import { expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { ask, blueGreen, HEALTH, pool, start, upstream } from './support.ts'

const post = (cutover: Cutover, verb: string, body: object = {}) =>
  cutover.api('POST', `/api/services/shop/${verb}?wait=10s`, body)

test('T13 rollback returns to the previous split, a second one undoes it, and requests follow', async () => {
  const { cutover } = await blueGreen()
  const split = async () => (await cutover.api('GET', '/api/services/shop')).body.split
  await post(cutover, 'shift', { to: 'green', percent: 25 })
  await post(cutover, 'switch', { to: 'green' })
  expect((await ask(cutover)).body).toBe('green1')

  const back = await post(cutover, 'rollback')
  expect([back.status, back.body.changed, back.body.service.split]).toEqual([200, true, { blue: 75, green: 25 }])
  const first = [await ask(cutover), await ask(cutover), await ask(cutover), await ask(cutover)]
  expect(first.map(({ body }) => body).sort()).toEqual(['blue1', 'blue1', 'blue1', 'green1'])

  const again = await post(cutover, 'rollback')
  expect(again.body).toMatchObject({ service: { split: { blue: 0, green: 100 } }, drained: ['blue'] })
  expect((await ask(cutover)).body).toBe('green1')
  await post(cutover, 'rollback')
  expect(await split()).toEqual({ blue: 75, green: 25 })
})

test('T13 rollback to a revision returns to the decision that was in force then', async () => {
  const { cutover } = await blueGreen()
  const revisions: number[] = []
  for (const percent of [10, 20, 30]) {
    revisions.push((await post(cutover, 'shift', { to: 'green', percent })).body.revision)
  }
  // A change that decides nothing about routing has a revision too.
  const other = await cutover.api('PATCH', '/api/servers/blue1', { weight: 5 })
  const to = async (revision: number) => (await post(cutover, 'rollback', { revision })).body.service.split
  expect(await to(revisions[0] ?? 0)).toEqual({ blue: 90, green: 10 })
  expect(await to(revisions[1] ?? 0)).toEqual({ blue: 80, green: 20 })
  expect(await to(other.body.revision)).toEqual({ blue: 70, green: 30 })
  // Server states and weights are no routing decision: they stay.
  expect((await cutover.api('GET', '/api/servers/blue1')).body.servers[0].weight).toBe(5)
})

test('T13 the history has author, time, reason, and the split before and after, newest first', async () => {
  const blue = await upstream('blue1')
  const green = await upstream('green1')
  const pools = { blue: pool(blue), green: pool(green) }
  const tokens = [
    { name: 'ann', role: 'operate', token: 'ann-has-a-long-token' },
    { name: 'pipeline', role: 'operate', token: 'so-has-the-pipeline' },
  ]
  const cutover = await start({
    services: { shop: { pools, split: { blue: 100 }, health: HEALTH } },
    admin: { tokens },
  })
  const as = (token: string) => ({ authorization: `Bearer ${token}` })
  const ann = as('ann-has-a-long-token')
  const pipeline = as('so-has-the-pipeline')
  const before = Date.now()
  const body = { to: 'green', reason: 'release 1.5' }
  const switched = await cutover.api('POST', '/api/services/shop/switch', body, pipeline)
  const rolled = await cutover.api('POST', '/api/services/shop/rollback?reason=errors%20at%20checkout', {}, ann)
  expect([switched.status, rolled.status]).toEqual([200, 200])

  const { history } = (await cutover.api('GET', '/api/services/shop/history', undefined, ann)).body
  expect(history.slice(0, 2)).toMatchObject([
    {
      revision: rolled.body.revision,
      action: 'rollback',
      by: 'ann',
      reason: 'errors at checkout',
      from: { green: 100 },
      to: { blue: 100 },
      forced: false,
    },
    {
      revision: switched.body.revision,
      action: 'switch',
      by: 'pipeline',
      reason: 'release 1.5',
      from: { blue: 100 },
      to: { green: 100 },
      forced: false,
    },
  ])
  for (const { at } of history.slice(0, 2)) {
    expect(new Date(at).toISOString()).toBe(at)
    expect(Date.parse(at)).toBeGreaterThanOrEqual(before)
    expect(Date.parse(at)).toBeLessThanOrEqual(Date.now())
  }
})

test('T13 with nothing to go back to: 409, and nothing changes', async () => {
  const { cutover } = await blueGreen()
  const before = (await cutover.api('GET', '/api/services/shop')).body.revision
  const answer = await post(cutover, 'rollback')
  expect([answer.status, answer.body.detail]).toEqual([409, 'There is no earlier routing decision to go back to.'])
  expect((await cutover.api('GET', '/api/services/shop')).body.revision).toBe(before)
})

test('T13 a rollback to a revision that does not exist: 404, with those of the decisions there are', async () => {
  const { cutover } = await blueGreen()
  const shifted = (await post(cutover, 'shift', { to: 'green', percent: 10 })).body.revision
  const answer = await post(cutover, 'rollback', { revision: 9_999 })
  expect([answer.status, answer.body.title]).toEqual([404, 'Unknown revision'])
  expect(answer.body.known).toEqual([String(shifted), String(shifted - 1)])
  expect((await cutover.api('GET', '/api/services/shop')).body.revision).toBe(shifted)
})

test('T13 a rollback to a pool that is down is refused, and so is one to a pool that is gone', async () => {
  const { cutover, blue } = await blueGreen()
  await post(cutover, 'switch', { to: 'green' })
  blue.health = 503
  await until(async () => (await post(cutover, 'rollback')).status === 409)
  expect((await ask(cutover)).body).toBe('green1')
  expect((await cutover.api('DELETE', '/api/services/shop/pools/blue')).status).toBe(200)
  const { status, body } = await post(cutover, 'rollback')
  expect([status, body.detail]).toEqual([409, expect.stringContaining('blue')])
})

test('T13 decisions survive a restart, and can still be rolled back', async () => {
  const blue = await upstream('blue1')
  const green = await upstream('green1')
  const services = { shop: { pools: { blue: pool(blue), green: pool(green) }, split: { blue: 100 }, health: HEALTH } }
  const first = await start({ services })
  await post(first, 'switch', { to: 'green' })
  const dataPath = first.dataPath
  first.process.kill('SIGKILL')
  await first.exited
  const second = await start({ services, dataPath })
  expect((await ask(second)).body).toBe('green1')
  await post(second, 'rollback')
  expect((await ask(second)).body).toBe('blue1')
})
