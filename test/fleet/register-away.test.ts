import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { Relay } from '../support/relay.ts'
import { until } from '../support/until.ts'
import { BLUE } from './app.ts'
import { Fleet, isStale, reached } from './support.ts'

let fleet: Fleet
let relay: Relay
/** Reaches Redis through the relay. */
let a: Cutover
let b: Cutover
beforeAll(async () => {
  fleet = await Fleet.empty()
  relay = await Relay.start(fleet.redis.port)
  a = await fleet.add('a', { store: { redis: `redis://127.0.0.1:${relay.port}` } })
  b = await fleet.add('b')
  await fleet.settled()
})
afterAll(async () => {
  await fleet?.stop()
  await relay?.stop()
})

test('a drain whose change was made just before Redis went away is not said to be drained', async () => {
  for (const query of ['', '?wait=1500ms']) {
    relay.freezeAfterAnswer('committed')
    const { status, body } = await a.api('POST', `/api/servers/blue1/drain${query}`)
    if (query === '') {
      expect([status, body.changed, body.drained]).toEqual([200, true, []])
    } else {
      expect([status, body.changed]).toEqual([504, true])
      expect(body.detail).toMatch(/the store does not answer, so an instance that has joined meanwhile may be unknown/)
    }
    await until(() => isStale(a))
    relay.thaw()
    await until(async () => !(await isStale(a)))
    const again = await a.api('POST', '/api/servers/blue1/drain?wait=20s')
    expect([again.status, again.body.drained, again.body.leftOut]).toEqual([200, ['blue1'], undefined])
    expect(await reached(b)).toEqual(['blue2'])
    expect((await a.api('POST', '/api/servers/blue1/enable?wait=20s')).status).toBe(200)
    expect(await reached(b)).toEqual(BLUE)
  }
})

test('a drain that waits answers as soon as Redis is back', async () => {
  relay.freezeAfterAnswer('committed')
  const waiting = a.api('POST', '/api/servers/blue1/drain?wait=60s')
  await until(() => isStale(a))
  relay.thaw()
  const { status, body } = await waiting
  expect([status, body.drained, body.leftOut]).toEqual([200, ['blue1'], undefined])
  expect(await reached(b)).toEqual(['blue2'])
})
