import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RedisStore } from '../../src/store/redis/redis-store.ts'
import { RedisServer } from '../support/redis.ts'
import { endAll, endWithAll, open, when } from './redis-support.ts'

let redis: RedisServer
let a: RedisStore
let b: RedisStore

beforeEach(async () => {
  redis = endWithAll(await RedisServer.start())
  a = (await open(redis.url)).store
  b = (await open(redis.url)).store
})
afterEach(endAll)

/** The sums that a store receives, with whether one is missing before it. */
function sumsOf(store: RedisStore): [string, boolean][] {
  const sums: [string, boolean][] = []
  store.ticks.onSum((sum, isNext) => sums.push([sum, isNext]))
  return sums
}

test('ticks that are sent again are added once, and all are pending in order until a sum is published', async () => {
  await a.ticks.send('one', 1, 'first')
  await b.ticks.send('two', 1, 'second')
  await a.ticks.send('one', 1, 'again')
  await a.ticks.send('one', 2, 'third')
  const pending = await b.ticks.pending()
  expect(pending.ticks).toEqual(['first', 'second', 'third'])
  await a.ticks.send('one', 3, 'fourth')
  expect(await b.ticks.publish(pending, 'sum')).toBe(true)
  expect((await a.ticks.pending()).ticks).toEqual(['fourth'])
})

test('of instances that sum up the same ticks, one publishes; every instance receives each sum once', async () => {
  const [atA, atB] = [sumsOf(a), sumsOf(b)]
  for (let round = 0; round < 20; round++) {
    await a.ticks.send('one', round + 1, String(round))
    const both = await Promise.all(
      [a, b].map(async ({ ticks }) => ticks.publish(await ticks.pending(), `sum ${round}`)),
    )
    expect(both.toSorted()).toEqual([false, true])
  }
  const all = Array.from({ length: 20 }, (_, round) => [`sum ${round}`, true])
  await when(a, () => atA.length === 20 && atB.length === 20)
  expect(atA).toEqual(all)
  expect(atB).toEqual(all)
})

test('one instance at a time has its turn to sum up', async () => {
  const sent = await Promise.all(
    Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? a : b).ticks.send(`source ${i}`, 1, 'tick')),
  )
  expect(sent.filter(({ isTurn }) => isTurn)).toHaveLength(1)
  // The turn ends by itself: an instance that has died does not keep it.
  let sequence = 1
  await expect.poll(async () => (await b.ticks.send('next', ++sequence, 'tick')).isTurn).toBe(true)
})

test('an instance that starts receives the sums of the last minutes', async () => {
  await a.ticks.send('one', 1, 'tick')
  await a.ticks.publish(await a.ticks.pending(), 'early')
  const { store: late } = await open(redis.url)
  const sums = sumsOf(late)
  await a.ticks.send('one', 2, 'tick')
  await a.ticks.publish(await a.ticks.pending(), 'later')
  await when(late, () => sums.length === 2)
  expect(sums).toEqual([
    ['early', true],
    ['later', true],
  ])
})

test('after Redis was emptied, the next sum says that others before it are missing', async () => {
  const sums = sumsOf(a)
  await a.ticks.send('one', 1, 'tick')
  await a.ticks.publish(await a.ticks.pending(), 'before')
  await when(a, () => sums.length === 1)
  await redis.cli('FLUSHALL')
  await a.ticks.send('one', 2, 'tick')
  expect(await a.ticks.publish(await a.ticks.pending(), 'after')).toBe(true)
  await when(a, () => sums.length === 2)
  expect(sums[1]).toEqual(['after', false])
})

test.each(['ticks', 'ticks:position', 'ticks:sums'])('a key of the wrong type is made anew: %s', async (key) => {
  await redis.cli('SET', `{test}:${key}`, 'damage')
  const sums = sumsOf(a)
  await a.ticks.send('one', 1, 'tick')
  const publish = async () => a.ticks.publish(await a.ticks.pending(), 'sum').catch(() => false)
  await expect.poll(publish).toBe(true)
  await when(a, () => sums.length === 1)
})
