import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Lease } from '../../src/model/leases.ts'
import type { RedisStore } from '../../src/store/redis/redis-store.ts'
import { RedisServer } from '../support/redis.ts'
import { changeFor } from './changes.ts'
import { at, endAll, endWithAll, open, when } from './redis-support.ts'

const LONG_MS = 600_000
const SHORT_MS = 200

let redis: RedisServer
let a: RedisStore
let b: RedisStore

beforeEach(async () => {
  redis = endWithAll(await RedisServer.start())
  a = (await open(redis.url)).store
  b = (await open(redis.url)).store
})
afterEach(endAll)

async function takenBy(store: RedisStore, ttlMs: number): Promise<Lease> {
  for (;;) {
    const lease = await store.leases.take('rollouts', store === a ? 'a' : 'b', ttlMs)
    if (lease !== null) return lease
    await sleep(10)
  }
}

test('one of two instances holds a lease, and both know which: 20 concurrent takes, 20 times', async () => {
  for (let epoch = 1; epoch <= 20; epoch++) {
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? a : b).leases.take('rollouts', `i${i}`, LONG_MS)),
    )
    const [lease, ...others] = all.filter((each) => each !== null)
    expect(others).toEqual([])
    expect(lease?.epoch).toBe(epoch)
    for (const store of [a, b]) {
      await at(store, 2 * epoch - 1)
      expect(store.documents().collections?.leases?.rollouts?.value).toMatchObject({ holder: lease?.holder, epoch })
    }
    await a.leases.release(lease as Lease)
  }
})

test('a holder that does not know of its successor yet cannot write', async () => {
  const first = await takenBy(a, SHORT_MS)
  await at(b, 1)
  const decided = changeFor(2, 'shop')
  // As if the holder stood still: b's take and a's write are on their way at the same time, in this order.
  await sleep(SHORT_MS)
  const [second, outcome] = await Promise.all([
    takenBy(b, LONG_MS),
    sleep(0).then(() => a.leases.commit(first, decided)),
  ])
  // Whichever came first, the state is of one line; the write of the old epoch never comes after the take.
  if (outcome === 'committed') expect(second.epoch).toBe(2)
  else expect(outcome).toBe('fenced')
  expect(await a.leases.commit(first, changeFor(a.documents().revision + 1, 'shop'))).toBe('fenced')
  expect(await a.leases.renew(first, LONG_MS)).toBe(false)
})

test('an emptied Redis: the lease stays with its holder, and its epoch is not given out again', async () => {
  const lease = await takenBy(a, LONG_MS)
  await at(b, 1)
  await redis.cli('FLUSHALL')
  await when(a, () => a.counts().restores + b.counts().restores > 0)
  expect(await b.leases.take('rollouts', 'b', SHORT_MS)).toBeNull()
  expect(await a.leases.renew(lease, SHORT_MS)).toBe(true)
  expect(await a.leases.commit(lease, changeFor(2, 'shop'))).toBe('committed')
  expect((await takenBy(b, LONG_MS)).epoch).toBe(2)
})

test('a lease whose end Redis has lost is not taken before its full duration has passed', async () => {
  const lease = await takenBy(a, LONG_MS)
  await at(b, 1)
  await redis.cli('DEL', '{test}:leases')
  const since = performance.now()
  expect((await takenBy(b, SHORT_MS)).epoch).toBe(2)
  expect(performance.now() - since).toBeGreaterThan(SHORT_MS - 1)
  expect(await a.leases.commit(lease, changeFor(2, 'shop'))).toBe('fenced')
})

test('a key of leases of the wrong type is repaired by the next take or renewal', async () => {
  const lease = await takenBy(a, LONG_MS)
  await redis.cli('SET', '{test}:leases', 'nonsense')
  expect(await a.leases.renew(lease, LONG_MS)).toBe(true)
  await redis.cli('SET', '{test}:leases', 'nonsense')
  await at(b, 1)
  expect(await b.leases.take('rollouts', 'b', SHORT_MS)).toBeNull()
  expect((await takenBy(b, LONG_MS)).epoch).toBe(2)
})
