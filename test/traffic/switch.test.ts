import { expect, test } from 'vitest'
import { PLAIN } from '../prove/frontend.ts'
import { prove } from '../prove/proof.ts'
import { until } from '../support/until.ts'
import { ask, blueGreen, expectFast, holding, poolView, raw, spread, watched } from './support.ts'

test('T1 200 clients, 50 switches, the old servers stopped as soon as they are drained: nothing is lost', async () => {
  const proof = await prove({ protocol: PLAIN, clients: 200, switches: 50, workers: 2 })
  expect(proof.broken).toEqual([])
  expect(proof).toMatchObject({ requestsFailed: 0, requestsSeenByDrained: 0, failures: {} })
  expect(proof.requestsSent).toBeGreaterThan(50 * 200)
  // Every server has had its turns.
  expect(Object.keys(proof.answers).sort()).toEqual(['blue1', 'blue2', 'green1', 'green2'])
}, 180_000)

test('T2 while a switch waits for a slow request, new ones are answered by the new pool at once', async () => {
  const { handler, release } = holding()
  const { cutover, blue, green } = await blueGreen(handler)
  const slow = ask(cutover, '/slow')
  await blue.arrived(1)
  const switching = watched(cutover.api('POST', '/api/services/shop/switch?wait=30s', { to: 'green', drain: '30s' }))
  await until(async () => (await poolView(cutover, 'green')).share === 100)

  const times: number[] = []
  const since = performance.now()
  while (performance.now() - since < 2_000) {
    const { status, body, ms } = await ask(cutover)
    expect([status, body]).toEqual([200, 'green1'])
    times.push(ms)
  }
  expectFast(times, 50)
  expect(switching.settled).toBe(false)
  expect(await poolView(cutover, 'blue')).toMatchObject({ drained: false, inFlight: 1, share: 0 })
  // Other commands need not wait either.
  const write = await cutover.api('PATCH', '/api/servers/green1', { weight: 2 })
  expect([write.status, switching.settled]).toEqual([200, false])

  release()
  expect(await slow).toMatchObject({ status: 200, body: 'blue1' })
  const { status, body } = await switching.promise
  expect(status).toBe(200)
  expect(body).toMatchObject({ changed: true, drained: ['blue'], cut: 0 })
  expect(await poolView(cutover, 'blue')).toMatchObject({ drained: true, inFlight: 0 })
  expect(blue.requests).toHaveLength(1)
  expect(green.requests).toHaveLength(times.length)
})

test('T2 when the wait times out, a 504 names what is missing, and the switch stands', async () => {
  const { handler, release } = holding()
  const { cutover, blue } = await blueGreen(handler)
  const slow = ask(cutover)
  await blue.arrived(1)
  const answer = await cutover.api('POST', '/api/services/shop/switch?wait=500ms', { to: 'green' })
  expect(answer.status).toBe(504)
  expect(answer.body.detail).toContain('blue has 1 request in flight')
  expect((await ask(cutover)).body).toBe('green1')
  release()
  expect((await slow).status).toBe(200)
  // Asked again, it waits on for the same thing.
  const again = await cutover.api('POST', '/api/services/shop/switch?wait=10s', { to: 'green' })
  expect(again.body).toMatchObject({ changed: false, drained: ['blue'] })
})

test('requests that outlive the deadline are cut: 504 if no answer had begun, and the response counts them', async () => {
  const { handler } = holding()
  const { cutover, blue } = await blueGreen(handler)
  const slow = Array.from({ length: 5 }, () => ask(cutover))
  await blue.arrived(5)
  const answer = await cutover.api('POST', '/api/services/shop/switch?wait=10s', { to: 'green', drain: '100ms' })
  expect(answer.body).toMatchObject({ drained: ['blue'], cut: 5 })
  for (const { status } of await Promise.all(slow)) expect(status).toBe(504)
})

test('a pool and a server that drain say when their requests are cut, until none are left', async () => {
  const { handler, release } = holding()
  const { cutover, blue } = await blueGreen(handler)
  const slow = ask(cutover)
  await blue.arrived(1)
  const now = Date.now()
  await cutover.api('POST', '/api/services/shop/switch', { to: 'green', drain: '40s' })
  const pool = await poolView(cutover, 'blue')
  expect(Math.abs(Date.parse(pool.cutAt ?? '') - now - 40_000)).toBeLessThan(10_000)
  await cutover.api('PATCH', '/api/services/shop', { drain: { timeout: '50s' } })
  await cutover.api('POST', '/api/servers/blue1/drain')
  const server = (await poolView(cutover, 'blue')).servers[0]
  expect(Math.abs(Date.parse(server?.cutAt ?? '') - now - 50_000)).toBeLessThan(10_000)
  release()
  expect((await slow).status).toBe(200)
  await until(async () => (await poolView(cutover, 'blue')).drained)
  const after = await poolView(cutover, 'blue')
  expect([after.cutAt, after.servers[0]?.cutAt]).toEqual([undefined, undefined])
})

test('switched back before the deadline, nothing is cut', async () => {
  const { handler, held, release } = holding()
  const { cutover, blue } = await blueGreen(handler)
  const slow = ask(cutover)
  await blue.arrived(1)
  const drain = await cutover.api('POST', '/api/services/shop/switch', { to: 'green', drain: '500ms' })
  const deadline = performance.now() + 500
  expect((await cutover.api('POST', '/api/services/shop/switch')).body.service.split).toEqual({ blue: 100, green: 0 })
  expect(performance.now(), 'too slow a machine to tell').toBeLessThan(deadline)
  await until(() => performance.now() > deadline + 100)
  expect([drain.status, held[0]?.destroyed]).toEqual([200, false])
  release()
  expect(await slow).toMatchObject({ status: 200, body: 'blue1' })
})

test('a client on one connection changes pools between two requests, and keeps its connection', async () => {
  const { cutover } = await blueGreen()
  const connection = await raw(cutover)
  for (const expected of ['blue1', 'green1', 'blue1', 'green1']) {
    expect((await connection.ask(['GET / HTTP/1.1', 'Host: x'])).text).toBe(expected)
    await cutover.api('POST', '/api/services/shop/switch?wait=10s')
  }
  expect(connection.ended).toBe(null)
})

test('all means all: after a switch not one of 500 requests goes to the old pool', async () => {
  const { cutover } = await blueGreen()
  await cutover.api('POST', '/api/services/shop/switch', { to: 'green' })
  expect(await spread(cutover, ['blue1', 'green1'], 500)).toEqual({ green1: 500 })
})
