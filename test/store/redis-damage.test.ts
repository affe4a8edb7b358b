import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Change } from '../../src/model/state.ts'
import { RedisServer } from '../support/redis.ts'
import { Relay } from '../support/relay.ts'
import { changeFor } from './changes.ts'
import { at, endAll, endWithAll, next, open, when } from './redis-support.ts'

let redis: RedisServer

beforeEach(async () => {
  redis = endWithAll(await RedisServer.start())
})
afterEach(endAll)

test('a write to a state that has lost services restores them first', async () => {
  const a = await open(redis.url)
  for (const name of ['one', 'two', 'three']) await a.store.commit(changeFor(a.store.documents().revision + 1, name))
  // Before a store has checked.
  await redis.cli('DEL', '{test}:services')
  await a.store.commit(changeFor(4, 'one', 'behind the loss'))
  const b = await open(redis.url)
  expect(Object.keys(b.store.documents().services).sort()).toEqual(['one', 'three', 'two'])
  expect(b.store.documents()).toEqual(a.store.documents())
  expect(a.store.counts().restores).toBe(1)
})

test('a last known state of another lineage does not replace a restored one', async () => {
  const old = await open(redis.url)
  for (let i = 0; i < 5; i++) await next(old.store, 'of an earlier life')
  await old.store.close()
  await redis.cli('FLUSHALL')
  const b = await open(redis.url)
  for (let i = 0; i < 2; i++) await next(b.store, 'of this one')
  await redis.cli('FLUSHALL')
  await when(b.store, () => b.store.counts().restores > 0)
  const c = await open(redis.url, { path: old.path })
  expect(c.store.documents()).toEqual(b.store.documents())
  expect(b.store.documents().services.shop?.source.note).toBe('of this one')
})

test('an instance that knows a newer state replaces a restored one', async () => {
  const [a, b] = [await open(redis.url), await open(redis.url)]
  for (let i = 0; i < 3; i++) await next(a.store)
  await at(b.store, 3)
  await b.store.close()
  await next(a.store, 'b has not seen it')
  await redis.cli('FLUSHALL')
  // B is first: it starts from what it knew.
  await a.store.close()
  const again = await open(redis.url, { path: b.path })
  expect(again.store.documents().revision).toBe(3)
  const more = await open(redis.url, { path: a.path })
  expect(more.store.documents().services.shop?.source.note).toBe('b has not seen it')
  await at(again.store, 4)
  expect(again.store.documents()).toEqual(more.store.documents())
  // Of the history, too: what the first one had put back is not there twice, and what only the other one knew is.
  const history = await again.store.history({ service: 'shop', limit: 10 })
  expect(history.map(({ revision }) => revision)).toEqual([4, 3, 2, 1])
})

test('a restored history includes the entries reloaded after a gap in the feed', async () => {
  const relay = endWithAll(await Relay.start(redis.port))
  const [a, b] = [await open(redis.url), await open(`redis://127.0.0.1:${relay.port}`)]
  await next(a.store)
  await at(b.store, 1)
  await relay.cut()
  for (let i = 0; i < 2; i++) await next(a.store)
  await redis.cli('XTRIM', '{test}:changes', 'MAXLEN', '0')
  await relay.heal()
  await at(b.store, 3)
  await next(a.store)
  await at(b.store, 4)
  await a.store.close()
  await redis.cli('FLUSHALL')
  await when(b.store, () => b.store.counts().restores > 0)
  const history = await b.store.history({ service: 'shop', limit: 10 })
  expect(history.map(({ revision }) => revision)).toEqual([4, 3, 2, 1])
})

test('a large state with a long history is restored, too', async () => {
  const a = await open(redis.url)
  const services = Object.fromEntries(
    Array.from({ length: 1_500 }, (_, i) => {
      const name = `service-${i}`
      return [name, changeFor(1, name).services[name] ?? null]
    }),
  )
  const history = Object.keys(services).flatMap((name) => changeFor(1, name).history)
  for (let revision = 1; revision <= 20; revision++) {
    const change: Change = {
      ...changeFor(revision, 'service-0'),
      services,
      history: history.flatMap((entry) => Array(5).fill({ ...entry, revision })),
    }
    // On a busy machine Redis may need longer for one of them than it is waited for.
    while (a.store.documents().revision < revision) {
      await a.store.commit(change).catch(() => when(a.store, () => a.store.status().up))
    }
  }
  await redis.cli('FLUSHALL')
  // Filled again, whether the answer to that came in time or not.
  const until = performance.now() + 30_000
  while ((await redis.cli('HLEN', '{test}:services')) !== '1500') expect(performance.now()).toBeLessThan(until)
  await when(a.store, () => a.store.status().up, 20_000)
  const b = await open(redis.url)
  expect(Object.keys(b.store.documents().services).length).toBe(1_500)
  expect((await b.store.history({ service: 'service-7', limit: 1_000 })).length).toBe(100)
})

test('a history key of the wrong type is reset and blocks no write', async () => {
  const a = await open(redis.url)
  await next(a.store)
  await redis.cli('DEL', '{test}:history:shop')
  await redis.cli('SET', '{test}:history:shop', 'nonsense')
  await next(a.store)
  const b = await open(redis.url)
  expect((await b.store.history({ service: 'shop', limit: 5 })).map(({ revision }) => revision)).toEqual([2])
})
