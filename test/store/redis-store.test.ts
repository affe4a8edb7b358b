import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EMPTY_DOCUMENTS } from '../../src/model/state.ts'
import { OutcomeUnknown, StoreUnavailable } from '../../src/store/store.ts'
import { patience } from '../support/patience.ts'
import { RedisServer } from '../support/redis.ts'
import { changeFor } from './changes.ts'
import { at, endAll, endWithAll, next, open, storeOn, when } from './redis-support.ts'

let redis: RedisServer

beforeEach(async () => {
  redis = endWithAll(await RedisServer.start({ persist: true }))
})
afterEach(endAll)

describe('a change', () => {
  test('committed at one store is in all, in order, and is told once each', async () => {
    const [a, b] = [await open(redis.url), await open(redis.url)]
    const heard: (number | undefined)[][] = [[], []]
    a.store.subscribe((_, change) => heard[0]?.push(change?.revision))
    b.store.subscribe((_, change) => heard[1]?.push(change?.revision))
    for (let i = 0; i < 30; i++) await next((i % 2 === 0 ? a : b).store)
    await at(a.store, 30)
    await at(b.store, 30)
    const revisions = Array.from({ length: 30 }, (_, i) => i + 1)
    expect(heard).toEqual([revisions, revisions])
    expect(a.store.documents()).toEqual(b.store.documents())
    expect([a.told, b.told]).toEqual([[], []])
  })

  test('is durable when it is acknowledged: a later store reads it, history and configuration as well', async () => {
    const a = await open(redis.url)
    for (let i = 0; i < 12; i++) await next(a.store)
    await redis.kill()
    await redis.restart()
    const b = await open(redis.url)
    expect(b.store.documents()).toEqual(a.store.documents())
    const history = await b.store.history({ service: 'shop', limit: 5 })
    expect(history.map(({ revision }) => revision)).toEqual([12, 11, 10, 9, 8])
  })

  test('of two with the same base, one is committed and the other one is stale', async () => {
    const [a, b] = [await open(redis.url), await open(redis.url)]
    for (let revision = 1; revision <= 20; revision++) {
      await at(a.store, revision - 1)
      await at(b.store, revision - 1)
      const outcomes = await Promise.all([
        a.store.commit(changeFor(revision, 'shop', 'a')),
        b.store.commit(changeFor(revision, 'shop', 'b')),
      ])
      expect(outcomes.sort()).toEqual(['committed', 'stale'])
    }
    expect(a.store.documents()).toEqual(b.store.documents())
  })

  test('when the script cache was flushed is committed all the same', async () => {
    const a = await open(redis.url)
    await next(a.store)
    await redis.cli('SCRIPT', 'FLUSH')
    await next(a.store)
    expect(a.store.documents().revision).toBe(2)
  })

  test('keeps the identity of unchanged documents', async () => {
    const [a, b] = [await open(redis.url), await open(redis.url)]
    for (const name of ['one', 'two']) {
      const { revision } = a.store.documents()
      await a.store.commit(changeFor(revision + 1, name))
    }
    await at(b.store, 2)
    const { one } = b.store.documents().services
    await a.store.commit(changeFor(3, 'two'))
    await at(b.store, 3)
    expect(b.store.documents().services.one).toBe(one)
  })
})

describe('while Redis is away', () => {
  test('reads return the last known state, writes fail at once, and the outage is reported once', async () => {
    const a = await open(redis.url)
    await next(a.store)
    await redis.kill()
    await when(a.store, () => !a.store.status().up)
    for (let i = 0; i < 50; i++) await expect(next(a.store)).rejects.toThrow(StoreUnavailable)
    expect(a.store.documents().revision).toBe(1)
    expect((await a.store.history({ service: 'shop', limit: 5 })).length).toBe(1)
    await redis.restart()
    await when(a.store, () => a.store.status().up)
    await next(a.store)
    expect(a.told.map((line) => line.split(':').slice(0, 2).join(':'))).toEqual([
      'error: the store is away',
      'info: the store is back',
    ])
    expect(a.store.documents().revision).toBe(2)
  })

  test('a store starts from the last known state on this machine, and joins when Redis is back', async () => {
    const a = await open(redis.url)
    await next(a.store, 'known')
    await a.store.close()
    const documents = a.store.documents()
    await redis.kill()
    const b = await open(redis.url, { path: a.path })
    expect(b.store.documents()).toEqual(documents)
    expect(b.store.status()).toMatchObject({ up: false, detail: 'Redis refuses connections' })
    expect(b.told[0]).toContain('starting from the last known state, revision 1')
    await redis.restart()
    await when(b.store, () => b.store.status().up)
    await next(b.store)
    expect(b.store.documents().revision).toBe(2)
  })

  test('a store without a last known state does not start, and names the remedy', async () => {
    const { port } = redis
    await redis.stop()
    const { store } = await storeOn(`redis://127.0.0.1:${port}`)
    await expect(store.open()).rejects.toThrow('there is no last known state in store.path to start from. Start Redis')
  })

  test('S4: every store is current within 2 s of its return', async () => {
    const [a, b] = [await open(redis.url), await open(redis.url)]
    await next(a.store)
    for (let round = 0; round < 3; round++) {
      await redis.kill()
      await when(a.store, () => !a.store.status().up)
      await when(b.store, () => !b.store.status().up)
      await redis.restart()
      const since = performance.now()
      await when(a.store, () => a.store.status().up)
      const { revision } = await next(a.store)
      await at(b.store, revision)
      expect(performance.now() - since).toBeLessThan(patience(2_000))
    }
  })
})

describe('a Redis that stands still', () => {
  test('S4: a write that arrives after it was given up is not executed', async () => {
    const a = await open(redis.url)
    await next(a.store)
    redis.pause()
    const failed = a.store.commit(changeFor(2, 'shop', 'too late'))
    const error = await failed.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(OutcomeUnknown)
    redis.resume()
    await when(a.store, () => a.store.status().up)
    // What was sent lies in its socket, and is read now.
    expect(await redis.cli('HGET', '{test}:meta', 'revision')).toBe('1')
    expect(a.told.some((line) => line.includes('was not made'))).toBe(true)
    await next(a.store, 'in time')
    expect(a.store.documents().services.shop?.source.note).toBe('in time')
  })

  test('is away, and then is not', async () => {
    const a = await open(redis.url)
    redis.pause()
    await when(a.store, () => !a.store.status().up)
    expect(a.store.status()).toMatchObject({ detail: 'Redis does not answer' })
    redis.resume()
    const since = performance.now()
    await when(a.store, () => a.store.status().up)
    expect(performance.now() - since).toBeLessThan(patience(2_000))
  })
})

describe('S4: what is there by hand', () => {
  test('an emptied Redis is restored from the known state, and no store sees an empty one', async () => {
    const [a, b] = [await open(redis.url), await open(redis.url)]
    for (let i = 0; i < 3; i++) await next(a.store)
    await at(b.store, 3)
    const seen: number[] = []
    b.store.subscribe(({ revision }) => seen.push(revision))
    await redis.cli('FLUSHALL')
    await when(a.store, () => a.store.counts().restores + b.store.counts().restores > 0)
    await next(b.store)
    await at(a.store, 4)
    expect(a.store.documents()).toEqual(b.store.documents())
    expect(seen).toEqual([4])
    const history = await a.store.history({ service: 'shop', limit: 10 })
    expect(history.map(({ revision }) => revision)).toEqual([4, 3, 2, 1])
    const c = await open(redis.url)
    expect(c.store.documents()).toEqual(a.store.documents())
  })

  test.each(['meta', 'services', 'changes', 'heads'])(
    'the key %s deleted: nothing is lost, and changes go on',
    async (key) => {
      const [a, b] = [await open(redis.url), await open(redis.url)]
      for (const name of ['one', 'two', 'three'])
        await a.store.commit(changeFor(a.store.documents().revision + 1, name))
      await at(b.store, 3)
      await redis.cli('DEL', `{test}:${key}`)
      if (key === 'meta' || key === 'services')
        await when(a.store, () => a.store.counts().restores + b.store.counts().restores > 0)
      await next(b.store)
      await at(a.store, 4)
      expect(Object.keys(a.store.documents().services).sort()).toEqual(['one', 'shop', 'three', 'two'])
      const c = await open(redis.url)
      expect(c.store.documents()).toEqual(a.store.documents())
    },
  )

  test('a service missing from the hash is restored', async () => {
    const a = await open(redis.url)
    for (const name of ['one', 'two']) await a.store.commit(changeFor(a.store.documents().revision + 1, name))
    await redis.cli('HDEL', '{test}:services', 'one')
    await when(a.store, () => a.store.counts().restores > 0)
    expect(await redis.cli('HEXISTS', '{test}:services', 'one')).toBe('1')
  })

  test.each([
    ['meta', 'set'],
    ['services', 'set'],
    ['changes', 'set'],
  ])('the key %s of the wrong type is repaired', async (key) => {
    const a = await open(redis.url)
    await next(a.store)
    await redis.cli('DEL', `{test}:${key}`)
    await redis.cli('SET', `{test}:${key}`, 'nonsense')
    await when(a.store, () => a.store.counts().restores > 0)
    await next(a.store)
    const b = await open(redis.url)
    expect(b.store.documents()).toEqual(a.store.documents())
  })

  test('a malformed document does not replace a good one', async () => {
    const [a, b] = [await open(redis.url), await open(redis.url)]
    await next(a.store)
    await at(b.store, 1)
    await redis.cli('HSET', '{test}:services', 'shop', '{"half":')
    await redis.cli('DEL', '{test}:changes')
    await redis.cli('HSET', '{test}:meta', 'head', 'x.1.y')
    await when(a.store, () => a.store.counts().restores + b.store.counts().restores > 0)
    await next(a.store)
    await at(b.store, 2)
    expect(b.store.documents()).toEqual(a.store.documents())
  })

  test('an empty Redis is the beginning of a new state', async () => {
    const a = await open(redis.url)
    expect(a.store.documents()).toEqual(EMPTY_DOCUMENTS)
    expect(a.store.status()).toEqual({ up: true })
  })
})
