import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RedisServer } from '../support/redis.ts'
import { changeFor } from './changes.ts'
import { endAll, endWithAll, next, open, storeOn, when } from './redis-support.ts'
import { write } from './redis-writing.ts'

let redis: RedisServer

beforeEach(async () => {
  redis = endWithAll(await RedisServer.start())
})
afterEach(endAll)

/** As if a newer Cutover had written there. */
async function makeNewer(): Promise<void> {
  await redis.cli('HSET', '{test}:meta', 'format', '2')
}

/** All that is in Redis, to be compared. */
async function dump(): Promise<string> {
  const keys = (await redis.cli('KEYS', '*')).split('\n').sort()
  return (await Promise.all(keys.map((key) => redis.cli('DUMP', key)))).join('\n')
}

describe('S2: a state that a newer Cutover has written', () => {
  test('is not written to by a store that runs: it says why, keeps what it knows, and goes on when it can', async () => {
    const a = await open(redis.url)
    for (let i = 0; i < 3; i++) await next(a.store)
    const known = a.store.documents()
    await makeNewer()
    const before = await dump()
    expect(await write(a.store, 'refused')).toMatchObject({
      kind: 'refused',
      error: { message: expect.stringContaining('newer Cutover (format 2') },
    })
    await when(a.store, () => JSON.stringify(a.store.status()).includes('Upgrade this instance'))
    expect(await write(a.store, 'refused')).toMatchObject({ kind: 'refused' })
    expect(await dump()).toBe(before)
    expect(a.store.documents()).toBe(known)
    expect(a.told).toEqual([
      expect.stringContaining('error: the store is away: the state in Redis was written by a newer'),
    ])
    await redis.cli('HSET', '{test}:meta', 'format', '1')
    await when(a.store, () => a.store.status().up)
    await next(a.store)
    expect(a.store.documents().revision).toBe(4)
  })

  test('is not restored from the state of an older version, whether incomplete or not', async () => {
    const a = await open(redis.url)
    for (const name of ['one', 'two']) await a.store.commit(changeFor(a.store.documents().revision + 1, name))
    await makeNewer()
    await redis.cli('HDEL', '{test}:services', 'one')
    await when(a.store, () => !a.store.status().up)
    expect(await redis.cli('HKEYS', '{test}:services')).toBe('two')
    expect(a.store.counts().restores).toBe(0)
    expect(Object.keys(a.store.documents().services)).toEqual(['one', 'two'])
  })

  test('stops a store that starts, and is named', async () => {
    const a = await open(redis.url)
    await next(a.store)
    await makeNewer()
    const { store } = await storeOn(redis.url)
    await expect(store.open()).rejects.toMatchObject({
      name: 'StoreUnusable',
      message: expect.stringContaining('newer Cutover (format 2; this one knows up to 1)'),
    })
  })

  test('lets a store start that has a last known state, from that', async () => {
    const a = await open(redis.url)
    for (let i = 0; i < 3; i++) await next(a.store)
    await a.store.close()
    await makeNewer()
    const b = await open(redis.url, { path: a.path })
    expect(b.store.documents()).toEqual(a.store.documents())
    expect(b.store.status()).toMatchObject({ up: false, detail: expect.stringContaining('newer Cutover') })
    expect(b.told).toEqual([expect.stringContaining('starting from the last known state, revision 3')])
    expect(b.told[0]).toContain('newer Cutover (format 2')
  })
})

/** What format 1 is in Redis, byte for byte. Never edited: what is there once is there for good. */
const SHOP = `{"name":"shop","revision":2,"source":{"hosts":["2.example.com"],"note":""},"decisions":[{"revision":2,"split":{"blue":95.25,"green":4.75}}],"servers":{"blue/blue1":{"state":"drain","weight":null,"cutAt":2000}},"poolCuts":{"green":2}}`
const CAFE = `{"name":"ünï ☕","revision":1,"source":{"hosts":["1.example.com"],"note":""},"decisions":[{"revision":1,"split":{"blue":100}}],"servers":{},"poolCuts":{}}`
const CONFIGURATION = `{"hash":"hash 1","services":{"shop":{"revision":1}},"version":3,"earlier":["hash 0"]}`
const SWITCH = `{"revision":2,"at":"1970-01-01T00:00:00.002Z","by":"tester","reason":null,"action":"switch","service":"shop","from":{"blue":100},"to":{"blue":95.25,"green":4.75},"forced":false}`
const KEYED = `{"revision":2,"fingerprint":"a1b2","atMs":1700000000000}`
const CHANGE = `{"revision":2,"at":"1970-01-01T00:00:00.002Z","services":{"shop":${SHOP}},"keyed":{"key 1":${KEYED}},"history":[${SWITCH}]}`
const FORMAT_1 = [
  ['HSET', '{test}:meta', 'format', '1', 'head', 'a0b1c2d3e4f5.2.0123456789ab', 'revision', '2', 'services', '2'],
  ['HSET', '{test}:meta', 'configuration', CONFIGURATION],
  ['HSET', '{test}:services', 'shop', SHOP, 'ünï ☕', CAFE],
  ['HSET', '{test}:keyed', 'key 1', KEYED],
  ['LPUSH', '{test}:heads', 'a0b1c2d3e4f5.1.ba9876543210', 'a0b1c2d3e4f5.2.0123456789ab'],
  ['LPUSH', '{test}:history:shop', SWITCH],
  [
    ...['XADD', '{test}:changes', '1700000000000-0', 'base', 'a0b1c2d3e4f5.1.ba9876543210'],
    ...['head', 'a0b1c2d3e4f5.2.0123456789ab', 'change', CHANGE],
  ],
  ['SET', '{test}:answer:key 1', '{"status":200}', 'PX', '86400000'],
]

test('S2: a state of format 1 loads completely and can be changed', async () => {
  for (const command of FORMAT_1) await redis.cli(...command)
  const { store, told } = await open(redis.url)
  expect(store.documents()).toEqual({
    revision: 2,
    head: 'a0b1c2d3e4f5.2.0123456789ab',
    configuration: JSON.parse(CONFIGURATION),
    services: { shop: JSON.parse(SHOP), 'ünï ☕': JSON.parse(CAFE) },
    keyed: { 'key 1': JSON.parse(KEYED) },
  })
  expect(await store.history({ service: 'shop', limit: 9 })).toEqual([JSON.parse(SWITCH)])
  expect(await store.recall('key 1')).toEqual({ status: 200 })
  expect(await store.commit(changeFor(3, 'shop'))).toBe('committed')
  expect(store.documents().head).toMatch(/^a0b1c2d3e4f5\.3\.[0-9a-f]{12}$/)
  expect(await redis.cli('HGET', '{test}:meta', 'format')).toBe('1')
  expect(store.counts()).toEqual({ reloads: 0, lostRevisions: 0, restores: 0 })
  expect(told).toEqual([])
})
