import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { patience } from '../support/patience.ts'
import { Relay } from '../support/relay.ts'
import { until } from '../support/until.ts'
import { BLUE } from './app.ts'
import { Fleet, isStale, killControl, reached, serverView } from './support.ts'

let fleet: Fleet
let relay: Relay
let a: Cutover
/** Reaches Redis through the relay. */
let b: Cutover
beforeEach(async () => {
  fleet = await Fleet.empty({}, { persist: true })
  relay = await Relay.start(fleet.redis.port)
  a = await fleet.add('a')
  b = await fleet.add('b', { store: { redis: `redis://127.0.0.1:${relay.port}` } })
  await fleet.settled()
})
afterEach(async () => {
  await fleet?.stop()
  await relay?.stop()
})

async function drainFirst(at: Cutover): Promise<void> {
  const { status, body } = await at.api('POST', '/api/servers/blue1/drain?wait=10s')
  expect([status, body.drained, body.leftOut]).toEqual([200, ['blue1'], undefined])
}

async function enableHere(at: Cutover): Promise<void> {
  const { status, body } = await at.api('POST', '/api/servers/blue1/enable?scope=local&wait=5s')
  expect([status, body.scope]).toEqual([200, 'local'])
}

/** Asks until an instance says that blue1 is drained, and expects that this is so at every instance, or `leftOut`. */
async function expectTrue(at: Cutover, leftOut: readonly string[] | undefined): Promise<void> {
  const { status, body } = await until(async () => {
    const answer = await at.api('POST', '/api/servers/blue1/drain?wait=20s')
    return answer.status === 503 ? null : answer
  })
  const reachedAtB = await reached(b)
  expect([status, body.drained, body.leftOut]).toEqual([200, ['blue1'], leftOut])
  if (leftOut === undefined) expect(reachedAtB).toEqual(['blue2'])
}

test('a server that an instance out of touch has enabled on its own is drained only with that instance left out', async () => {
  await drainFirst(a)
  await fleet.redis.kill()
  await until(async () => (await isStale(a)) && (await isStale(b)))
  await enableHere(b)
  expect(await reached(b)).toEqual(BLUE)
  await relay.cut()
  await fleet.redis.restart()
  await expectTrue(a, ['b'])
  expect(await reached(b)).toEqual(BLUE)
  expect(await serverView(a, 'blue1')).toMatchObject({ drained: true })

  await relay.heal()
  await until(async () => (await a.api('GET', '/api/services')).body.leftOut === undefined)
  await expectTrue(a, undefined)
})

test('a server that an instance has enabled on its own while Redis took no writes is not drained until that ends', async () => {
  await drainFirst(a)
  await fleet.redis.cli('CONFIG', 'SET', 'maxmemory', '1')
  const refused = async (at: Cutover): Promise<boolean> =>
    (await at.api('GET', '/health')).body.parts.store.detail?.includes('OOM') === true
  await until(async () => (await refused(a)) && (await refused(b)))
  await enableHere(b)
  expect(await reached(b)).toEqual(BLUE)
  // The control process of b does not see that Redis takes writes again, while a does.
  relay.freeze()
  await fleet.redis.cli('CONFIG', 'SET', 'maxmemory', '0')
  await expectTrue(a, ['b'])
  expect(await reached(b)).toEqual(BLUE)
  relay.thaw()
  await until(async () => (await a.api('GET', '/api/services')).body.leftOut === undefined)
  await expectTrue(a, undefined)
})

test('an instance that loses Redis enables a server on its own only once the others know that it is out of touch', async () => {
  await drainFirst(a)
  const answers: { at: number; leftOut: unknown; drained: unknown }[] = []
  let isDone = false
  const asking = (async () => {
    while (!isDone) {
      const { body } = await a.api('POST', '/api/servers/blue1/drain')
      answers.push({ at: performance.now(), leftOut: body.leftOut, drained: body.drained })
    }
  })()
  await relay.cut()
  await until(() => isStale(b))
  const enabling = enableHere(b)
  // The first moment that a request reaches blue1 at b.
  await until(async () => (await reached(b, 4)).includes('blue1'))
  const sinceMs = performance.now()
  await enabling
  await until(() => answers.some(({ leftOut }) => `${leftOut}` === 'b'))
  isDone = true
  await asking
  const lies = answers.filter(({ at, leftOut, drained }) => at > sinceMs && `${drained}` === 'blue1' && !leftOut)
  expect(lies.slice(0, 1)).toEqual([])
})

test('an override that only takes servers away is in force at once, however short the store has been away', async () => {
  await relay.cut()
  await until(() => isStale(b))
  const since = performance.now()
  const { status, body } = await b.api('POST', '/api/servers/blue1/drain?scope=local&wait=5s')
  expect([status, body.drained]).toEqual([200, ['blue1']])
  expect(performance.now() - since).toBeLessThan(patience(1_000))
  expect(await reached(b)).toEqual(['blue2'])
})

test('a server that is drained on one instance alone is not drained in the views of that instance', async () => {
  await relay.cut()
  await until(() => isStale(b))
  const { body } = await b.api('POST', '/api/servers/blue1/drain?scope=local&wait=5s')
  expect([body.drained, body.scope]).toEqual([['blue1'], 'local'])
  expect(await reached(a)).toEqual(BLUE)
  expect(await serverView(b, 'blue1')).toMatchObject({ state: 'drain', drained: false })
  await killControl(b)
  expect(await serverView(b, 'blue1')).toMatchObject({ state: 'drain', drained: false })
  await relay.heal()
  await until(async () => (await serverView(b, 'blue1')).state === 'ready')
})
