import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EMPTY_DOCUMENTS } from '../../src/model/state.ts'
import type { RedisStore } from '../../src/store/redis/redis-store.ts'
import { RedisServer } from '../support/redis.ts'
import { nextChange } from './both-stores.ts'
import { changeFor } from './changes.ts'
import { OlderInstance } from './redis-older-instance.ts'
import { at, endAll, endWithAll, open, when } from './redis-support.ts'

let redis: RedisServer

beforeEach(async () => {
  redis = endWithAll(await RedisServer.start())
})
afterEach(endAll)

const CERTIFICATE = { revision: 2, value: { pem: 'one' } }
const COLLECTIONS = { certificates: { 'a.example': CERTIFICATE } }

/** A service, and a document of a kind that an older version does not know. */
async function fill(store: RedisStore): Promise<void> {
  await store.commit(changeFor(1, 'shop'))
  await store.commit(nextChange(store, { collections: COLLECTIONS }))
}

function documentsInRedis(): Promise<string> {
  return redis.cli('HGETALL', '{test}:documents')
}

const WRITTEN = `certificates/a.example\n${JSON.stringify(CERTIFICATE)}`

describe('an instance of a version that knows no collections, in the same fleet', () => {
  test('changes services, and leaves the documents of collections where they are', async () => {
    const [a, b] = [await open(redis.url), await open(redis.url)]
    await fill(a.store)
    const older = new OlderInstance(redis.url, a.store.documents())
    await older.commit(changeFor(3, 'shop'))
    for (const { store } of [a, b]) {
      await at(store, 3)
      expect(store.documents().collections).toEqual(COLLECTIONS)
      expect(store.counts()).toEqual({ reloads: 0, lostRevisions: 0, restores: 0 })
    }
    await b.store.commit(changeFor(4, 'shop'))
    expect((await open(redis.url)).store.documents()).toEqual(b.store.documents())
    expect(await documentsInRedis()).toBe(WRITTEN)
  })

  test('fills an emptied Redis without the documents: an instance that knows them puts them back', async () => {
    const a = await open(redis.url)
    await fill(a.store)
    const { head } = a.store.documents()
    const older = new OlderInstance(redis.url, a.store.documents())
    await older.fillAfterFlush()
    await when(a.store, () => a.store.counts().restores === 1)
    expect(await documentsInRedis()).toBe(WRITTEN)
    expect(a.store.documents()).toMatchObject({ head, collections: COLLECTIONS })
    expect((await open(redis.url)).store.documents()).toEqual(a.store.documents())
    await older.commit(changeFor(3, 'shop'))
    await at(a.store, 3)
    expect(a.store.documents().collections).toEqual(COLLECTIONS)
  })

  test('makes changes before they are restored: they are restored, and a change waits for that', async () => {
    const a = await open(redis.url)
    await fill(a.store)
    const older = new OlderInstance(redis.url, a.store.documents())
    await older.fillAfterFlush()
    await older.commit(changeFor(3, 'shop'))
    await at(a.store, 3)
    expect(await a.store.commit(changeFor(4, 'shop'))).toBe('committed')
    expect(await documentsInRedis()).toBe(WRITTEN)
    expect((await open(redis.url)).store.documents()).toEqual(a.store.documents())
  })

  test('does both while no other instance is there: the next one that starts with them puts them back', async () => {
    const a = await open(redis.url)
    await fill(a.store)
    await a.store.close()
    const older = new OlderInstance(redis.url, a.store.documents())
    await older.fillAfterFlush()
    for (const revision of [3, 4]) await older.commit(changeFor(revision, 'shop'))
    const again = await open(redis.url, { path: a.path })
    expect(again.store.documents()).toMatchObject({ revision: 4, collections: COLLECTIONS })
    await when(again.store, () => again.store.counts().restores === 1)
    expect(await documentsInRedis()).toBe(WRITTEN)
  })

  test('has begun the state: nothing is missing, and nothing is put back', async () => {
    const older = new OlderInstance(redis.url, EMPTY_DOCUMENTS)
    await older.commit(changeFor(1, 'shop'))
    const a = await open(redis.url)
    expect(a.store.documents().revision).toBe(1)
    await a.store.commit(nextChange(a.store, { collections: COLLECTIONS }))
    expect(a.store.counts()).toEqual({ reloads: 0, lostRevisions: 0, restores: 0 })
    expect(a.store.documents().collections).toEqual(COLLECTIONS)
  })
})

describe('documents of collections that are lost in Redis', () => {
  test.each([
    ['all of them are deleted by hand', () => redis.cli('DEL', '{test}:documents')],
    ['one of them is', () => redis.cli('HDEL', '{test}:documents', 'certificates/a.example')],
    ['something else takes their place', () => redis.cli('SET', '{test}:documents', 'nonsense')],
    ['one is no JSON any more', () => redis.cli('HSET', '{test}:documents', 'certificates/b', '{')],
  ])('are put back: %s', async (_, damage) => {
    const a = await open(redis.url)
    await fill(a.store)
    await damage()
    await when(a.store, () => a.store.counts().restores > 0)
    expect(await documentsInRedis()).toBe(WRITTEN)
    expect(await a.store.commit(changeFor(3, 'shop'))).toBe('committed')
    expect((await open(redis.url)).store.documents()).toEqual(a.store.documents())
  })

  test('keep a store without a known state from starting: it does not take an incomplete state', async () => {
    const a = await open(redis.url)
    await fill(a.store)
    await a.store.close()
    await redis.cli('DEL', '{test}:documents')
    await expect(open(redis.url)).rejects.toThrow('it has 0 documents of collections, and should have 1')
  })
})
