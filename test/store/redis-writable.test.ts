import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { StoreUnwritable, takesChanges } from '../../src/store/store.ts'
import { RedisServer } from '../support/redis.ts'
import { changeFor } from './changes.ts'
import { ACL } from './redis-acl.ts'
import { at, endAll, endWithAll, next, open, storeOn, type Told, when } from './redis-support.ts'

/** Often enough for a test not to wait long. */
const CHECK_MS = 200

let redis: RedisServer

beforeEach(async () => {
  redis = endWithAll(await RedisServer.start())
})
afterEach(endAll)

/** What the store says of changes once it has found out that there can be none, by itself. */
async function trouble({ store }: Told): Promise<string> {
  await when(store, () => !takesChanges(store), 20_000)
  const status = store.status()
  return status.up
    ? store
        .troubles()
        .map(({ detail }) => detail)
        .join()
    : status.detail
}

/** Causes for which Redis answers but refuses writes, with the words that operators see. */
const REFUSALS: Readonly<Record<string, { begin(): Promise<unknown>; end(): Promise<unknown>; says: RegExp }>> = {
  'is out of memory': {
    begin: () => redis.cli('CONFIG', 'SET', 'maxmemory', '1mb'),
    end: () => redis.cli('CONFIG', 'SET', 'maxmemory', '0'),
    says: /^Redis is out of memory \(OOM.*raise maxmemory$/,
  },
  'has too few replicas': {
    begin: () => redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '1'),
    end: () => redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '0'),
    says: /fewer replicas than min-replicas-to-write \(NOREPLICAS\)/,
  },
  'cannot save to its disk': {
    begin: async () => {
      await redis.cli('CONFIG', 'SET', 'save', '3600 1')
      await rm(redis.folder, { recursive: true })
      await redis.cli('BGSAVE')
      while ((await redis.info('rdb_last_bgsave_status')) !== 'err') await new Promise((r) => setTimeout(r, 20))
    },
    end: () => redis.cli('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no'),
    says: /cannot save to its disk \(MISCONF\).*Check its disk/,
  },
  'is made a replica': {
    begin: () => redis.cli('REPLICAOF', '127.0.0.1', '1'),
    end: () => redis.cli('REPLICAOF', 'NO', 'ONE'),
    says: /read-only: this is a replica \(READONLY\).*promote this one/,
  },
}

test.each(Object.keys(REFUSALS))(
  'a Redis that %s is reported to refuse changes, with the cause, before a change is made; and its recovery, too',
  async (what) => {
    const { begin, end, says } = REFUSALS[what] as (typeof REFUSALS)[string]
    const a = await open(redis.url, { checkMs: CHECK_MS })
    await next(a.store)
    await begin()
    expect(await trouble(a)).toMatch(says)
    const refused = (await a.store.commit(changeFor(2)).catch((error: unknown) => error)) as Error
    expect(refused.message.replace(/^the store is away: /, '')).toMatch(says)
    expect(a.store.documents().revision).toBe(1)
    await end()
    await when(a.store, () => takesChanges(a.store), 20_000)
    expect(await a.store.commit(changeFor(2))).toBe('committed')
    // Each line once, however often it was tried.
    expect(new Set(a.told).size).toBe(a.told.length)
  },
  60_000,
)

test('rights taken away from a connected user are noticed and reported', async () => {
  await redis.cli('ACL', 'SETUSER', 'some', 'on', '>secret-secret', ...ACL.split(' '))
  const a = await open(redis.url.replace('redis://', 'redis://some:secret-secret@'), { checkMs: CHECK_MS })
  await next(a.store)
  await redis.cli('ACL', 'SETUSER', 'some', '-hset')
  expect(await trouble(a)).toMatch(/Redis refuses our credentials.*ACL SETUSER as in docs\/operations\.md/)
  expect(a.store.status().up).toBe(true)
  await redis.cli('ACL', 'SETUSER', 'some', '+hset')
  await when(a.store, () => takesChanges(a.store), 20_000)
})

test('a store that starts while Redis is out of memory reads the state, and reports that it cannot be changed', async () => {
  const a = await open(redis.url)
  await next(a.store)
  await redis.cli('CONFIG', 'SET', 'maxmemory', '1mb')
  const b = await open(redis.url)
  expect(b.store.documents()).toEqual(a.store.documents())
  expect(b.store.status()).toEqual({ up: true })
  expect(b.store.troubles()[0]?.detail).toContain('out of memory')
  await expect(b.store.commit(changeFor(2))).rejects.toThrow(StoreUnwritable)
})

test('a store does not start on an empty Redis that is out of memory, and gives the reason', async () => {
  await redis.cli('CONFIG', 'SET', 'maxmemory', '1mb')
  const { store } = await storeOn(redis.url)
  await expect(store.open()).rejects.toThrow(/the store takes no changes \(Redis is out of memory/)
})

test('a key of instances or reports of the wrong type is deleted, reported once, and written again', async () => {
  const [a, b] = [await open(redis.url), await open(redis.url)]
  const heard: string[] = []
  b.store.register.onReport((id) => heard.push(id))
  for (const key of ['instances', 'reports']) {
    await redis.cli('DEL', `{test}:${key}`)
    await redis.cli('SET', `{test}:${key}`, 'nonsense')
    const sightings = await a.store.register.beat('a', { says: key })
    expect(sightings.map(({ id }) => id)).toContain('a')
    expect(a.told.filter((line) => line.includes(`{test}:${key} was a string`))).toHaveLength(1)
    await b.store.register.beat('b', { says: key })
    heard.length = 0
    for (let sequence = 1; heard.length === 0; sequence++) {
      a.store.register.report('a', { boot: key, sequence, cut: {}, standing: {} }, true)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    // The changes come over the same connection.
    await next(a.store)
    await at(b.store, a.store.documents().revision)
  }
  expect(b.store.status()).toEqual({ up: true })
})

test('the state can be read while the key of reports has the wrong type', async () => {
  const a = await open(redis.url)
  await next(a.store)
  await redis.cli('DEL', '{test}:reports')
  await redis.cli('SET', '{test}:reports', 'nonsense')
  const b = await open(redis.url)
  expect(b.store.documents()).toEqual(a.store.documents())
})

test('a Redis that keeps losing the state is restored at growing intervals, and reported once with the cause', async () => {
  const a = await open(redis.url)
  for (let i = 0; i < 3; i++) await next(a.store)
  const until = performance.now() + 6_000
  while (performance.now() < until) {
    await redis.cli('DEL', '{test}:meta', '{test}:services')
    await a.store.commit(changeFor(a.store.documents().revision + 1)).catch(() => undefined)
  }
  expect(a.store.counts().restores).toBeLessThanOrEqual(5)
  expect(a.told.filter((line) => line.includes('filled it again'))).toHaveLength(1)
  expect(a.store.troubles()[0]?.detail).toContain('maxmemory-policy is noeviction')
  expect(a.store.documents().revision).toBeGreaterThanOrEqual(3)
  await when(a.store, () => takesChanges(a.store), 60_000)
  await next(a.store)
}, 90_000)

test('a removed last known state is written again, and reported while that is impossible', async () => {
  const a = await open(redis.url, { checkMs: CHECK_MS })
  await next(a.store)
  const file = join(a.path, 'last-known-test.json')
  while (!(await readFile(file, 'utf8').catch(() => '')).includes('"revision":1'))
    await new Promise((r) => setTimeout(r, 10))
  await rm(a.path, { recursive: true })
  // A file in the place of the folder.
  await writeFile(a.path, '')
  await when(a.store, () => a.store.troubles().length > 0, 20_000)
  expect(a.store.troubles()).toMatchObject([
    { stopsWrites: false, detail: expect.stringContaining('cannot start while Redis is away') },
  ])
  await rm(a.path)
  await when(a.store, () => a.store.troubles().length === 0, 20_000)
  expect(await readFile(file, 'utf8')).toContain('"revision":1')
})
