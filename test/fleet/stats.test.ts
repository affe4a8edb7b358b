import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Load } from '../support/load.ts'
import { figuresOf, requestsByWindow, stats, statsUntilNow } from '../support/stats.ts'
import { until } from '../support/until.ts'
import { BLUE, GREEN } from './app.ts'
import { expectNoneFailed, Fleet, isStale, killControl } from './support.ts'

let fleet: Fleet
beforeAll(async () => {
  fleet = await Fleet.start({}, { persist: true })
})
afterAll(() => fleet?.stop())

/** Sends requests to every instance until `stop`, which resolves with the number at each. */
function loadEverywhere(): { stop(): Promise<number[]> } {
  const loads = fleet.all.map(({ proxy }) => new Load({ url: `${proxy}/`, clients: 2, names: [...BLUE, ...GREEN] }))
  return {
    stop: async () => {
      const all = await Promise.all(loads.map((load) => load.stop()))
      for (const figures of all) expectNoneFailed(figures)
      return all.map(({ completed }) => completed)
    },
  }
}

const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0)

/** Requests that each instance knows of since the beginning: of the whole fleet, and its own. */
async function known(): Promise<{ fleet: number[]; own: number[] }> {
  const { at } = await statsUntilNow(fleet.get('a'))
  await until(async () => {
    const all = await Promise.all(fleet.all.map((each) => stats(each)))
    return all.every((each) => each.at >= at)
  })
  const windows = (query: string) => Promise.all(fleet.all.map((each) => requestsByWindow(each, at, query)))
  const [ofFleet, ofOwn] = [await windows(''), await windows('&scope=instance')]
  return { fleet: ofFleet.map(sum), own: ofOwn.map(sum) }
}

test('every instance has the same figures of the whole fleet, and each its own: those that the clients have counted', async () => {
  const before = await known()
  const load = loadEverywhere()
  await delay(2_000)
  await fleet.get('b').api('POST', '/api/services/shop/switch?wait=10s', { to: 'green' })
  await delay(2_000)
  const sent = await load.stop()
  const after = await known()
  const since = (a: number[], b: number[]) => a.map((count, i) => count - (b[i] as number))
  expect(since(after.own, before.own)).toEqual(sent)
  expect(since(after.fleet, before.fleet)).toEqual([sum(sent), sum(sent), sum(sent)])
  const { at } = await stats(fleet.get('a'), 'window=5m')
  // What is in flight at another instance is known as of its last heartbeats.
  const shops = await until(async () => {
    const views = await Promise.all(fleet.all.map((each) => stats(each, `window=5m&at=${at}`)))
    const all = views.map((view) => figuresOf(view))
    return all.every(({ inFlight }) => inFlight === 0) ? all : null
  })
  expect(shops[1]).toEqual(shops[0])
  expect(shops[2]).toEqual(shops[0])
  expect(shops[0]?.pools.every(({ requests }) => requests > 0)).toBe(true)
})

test('while Redis is away every instance counts on; afterwards the fleet has each request once', async () => {
  const before = await known()
  const load = loadEverywhere()
  await delay(1_000)
  await fleet.redis.kill()
  await until(async () => (await Promise.all(fleet.all.map(isStale))).every((stale) => stale))
  const own = figuresOf(await statsUntilNow(fleet.get('a'), 'window=10s&scope=instance'))
  expect(own.requests).toBeGreaterThan(0)
  await delay(3_000)
  await fleet.redis.restart()
  await until(async () => !(await Promise.all(fleet.all.map(isStale))).some((stale) => stale))
  const sent = await load.stop()
  await until(async () => {
    const after = await known()
    return after.fleet.every((count, i) => count - (before.fleet[i] as number) === sum(sent))
  })
})

test('a killed control process adds nothing twice, and loses the counts of a second or two at most', async () => {
  const before = await known()
  const load = loadEverywhere()
  await delay(1_000)
  await killControl(fleet.get('c'))
  await delay(2_000)
  const sent = await load.stop()
  const after = await known()
  // The new control process has read what the fleet has counted before it.
  expect(after.fleet[2]).toBe(after.fleet[0])
  const counted = (after.fleet[0] as number) - (before.fleet[0] as number)
  expect(counted).toBeLessThanOrEqual(sum(sent))
  const perSecond = (sent[2] as number) / 3
  expect(counted).toBeGreaterThan(sum(sent) - 3 * perSecond)
})
