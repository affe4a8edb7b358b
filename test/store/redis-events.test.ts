import { afterEach, expect, test } from 'vitest'
import { KEEP_EVENTS } from '../../src/store/kept-events.ts'
import { RedisServer } from '../support/redis.ts'
import { draft, drafts, historyEntry, kept, logged, reasons } from './event-drafts.ts'
import { ACL } from './redis-acl.ts'
import { endAll, endWithAll, open, when } from './redis-support.ts'

afterEach(endAll)

const STREAM = '{test}:events'
const ids = (store: Parameters<typeof kept>[0]) => kept(store).map(({ id }) => id)

test('events of several instances have the same ids and the same order at all of them', async () => {
  const redis = endWithAll(await RedisServer.start())
  const stores = await Promise.all([open(redis.url), open(redis.url), open(redis.url)])
  for (const [i, { store }] of stores.entries()) store.events.append(drafts(200, `${i}.`))
  await Promise.all(stores.map(({ store }) => logged(store, () => kept(store).length === 600)))
  const [a = [], b, c] = stores.map(({ store }) => ids(store))
  expect(b).toEqual(a)
  expect(c).toEqual(a)
  expect(new Set(a).size).toBe(600)
  for (const i of [0, 1, 2])
    expect(reasons(kept(stores[0]?.store as never)).filter((each) => each?.startsWith(`${i}.`))).toEqual(
      Array.from({ length: 200 }, (_, n) => `${i}.${n}`),
    )
})

test('of the same beginning and the same end, reported by several instances, one each is logged', async () => {
  const redis = endWithAll(await RedisServer.start())
  const stores = await Promise.all([open(redis.url), open(redis.url), open(redis.url)])
  const opens = { subject: 'instance d', keys: [] }
  // A mark of each store comes after what it has reported.
  for (const { store } of stores) store.events.append([draft('joined', { opens }), draft('mark')])
  await Promise.all(stores.map(({ store }) => logged(store, () => kept(store).length === 4)))
  for (const { store } of stores) store.events.append([draft('gone', { closes: opens.subject }), draft('mark')])
  await Promise.all(stores.map(({ store }) => logged(store, () => kept(store).length === 8)))
  expect(reasons(kept(stores[1]?.store as never)).filter((each) => each !== 'mark')).toEqual(['joined', 'gone'])
})

test('while Redis is away events are told without ids, the newest 1,000 wait, and each is logged once', async () => {
  const redis = endWithAll(await RedisServer.start({ persist: true }))
  const a = await open(redis.url)
  const b = await open(redis.url)
  const early: (string | null)[] = []
  a.store.events.subscribe((event) => event !== null && early.push(event.event.reason))
  await redis.kill()
  await when(a.store, () => !a.store.status().up)
  a.store.events.append(drafts(1_100))
  expect(early.length).toBe(1_000)
  expect(a.store.events.dropped).toBe(100)
  await redis.restart()
  await Promise.all([a, b].map(({ store }) => logged(store, () => kept(store).length === 1_000)))
  expect(reasons(kept(b.store))).toEqual(early)
  expect(ids(a.store)).toEqual(ids(b.store))
  expect(kept(a.store).every(({ ref }) => ref !== '')).toBe(true)
})

test('events whose sending had no answer are not logged twice', async () => {
  const redis = endWithAll(await RedisServer.start())
  const { store } = await open(redis.url)
  redis.pause()
  store.events.append(drafts(10))
  await when(store, () => !store.status().up)
  redis.resume()
  store.events.append([draft('last')])
  await logged(store, () => reasons(kept(store)).includes('last'))
  expect(reasons(kept(store))).toEqual([...Array.from({ length: 10 }, (_, i) => String(i)), 'last'])
})

test('a Redis that was emptied gets the log back, ids, openings and all', async () => {
  const redis = endWithAll(await RedisServer.start())
  const { store } = await open(redis.url)
  await store.commit({ ...EMPTY, history: [historyEntry(1, 'change')] })
  store.events.append([draft('begins', { opens: { subject: 'drain x', keys: ['k'] } }), draft('other')])
  await logged(store, () => kept(store).length === 3)
  const before = ids(store)
  await redis.cli('FLUSHALL')
  await when(store, () => store.counts().restores === 1)
  const late = await open(redis.url)
  await when(late.store, () => kept(late.store).length === 3)
  expect(ids(late.store)).toEqual(before)
  expect([...late.store.events.kept.open.keys()]).toEqual(['drain x'])
  late.store.events.append([draft('ends', { closes: 'drain x' })])
  await Promise.all([store, late.store].map((each) => logged(each, () => kept(each).length === 4)))
  expect(ids(store)).toEqual(ids(late.store))
})

test('events that Redis has lost are lost here, too: a reader after them has missed some', async () => {
  const redis = endWithAll(await RedisServer.start())
  const { store } = await open(redis.url)
  store.events.append(drafts(5))
  await logged(store, () => kept(store).length === 5)
  const [, , third = '', , fifth = ''] = ids(store)
  const lose = `local all = redis.call('XRANGE', KEYS[1], '-', '+'); redis.call('DEL', KEYS[1])
    for i = 1, 3 do redis.call('XADD', KEYS[1], all[i][1], unpack(all[i][2])) end`
  await redis.cli('EVAL', lose, '1', STREAM)
  await logged(store, () => kept(store).length === 3)
  expect(store.events.kept.hasPassed(fifth)).toBe(true)
  store.events.append([draft('after it')])
  await logged(store, () => kept(store).length === 4)
  expect(kept(store).at(-1)).toMatchObject({ previous: third, event: { reason: 'after it' } })
})

test('a key of the wrong type is replaced', async () => {
  const redis = endWithAll(await RedisServer.start())
  const { store } = await open(redis.url)
  store.events.append(drafts(2))
  await logged(store, () => kept(store).length === 2)
  for (const key of ['events', 'open', 'cursors']) {
    await redis.cli('DEL', `{test}:${key}`)
    await redis.cli('SET', `{test}:${key}`, 'nonsense')
  }
  store.events.append([draft('after it')])
  await logged(store, () => reasons(kept(store)).includes('after it'))
  expect(await store.events.moveCursor('hook', '1-1', 3)).toBe(true)
})

test('the position of a shared reader is not moved by the holder of an earlier lease', async () => {
  const redis = endWithAll(await RedisServer.start())
  const { store } = await open(redis.url)
  expect(await store.events.moveCursor('hook', '5-0', 2)).toBe(true)
  expect(await store.events.moveCursor('hook', '4-0', 1)).toBe(false)
  expect(await store.events.cursor('hook')).toBe('5-0')
})

test('the newest 10,000 events stay in Redis, and few more', async () => {
  const redis = endWithAll(await RedisServer.start())
  const a = await open(redis.url)
  for (let n = 1; n <= 24; n++) {
    a.store.events.append(drafts(500, `${n}.`))
    await logged(a.store, () => reasons(kept(a.store)).at(-1) === `${n}.499`)
  }
  const length = Number(await redis.cli('XLEN', STREAM))
  expect(length).toBeGreaterThanOrEqual(KEEP_EVENTS)
  expect(length).toBeLessThan(KEEP_EVENTS + 500)
  const b = await open(redis.url)
  expect(ids(b.store).slice(-KEEP_EVENTS)).toEqual(ids(a.store).slice(-KEEP_EVENTS))
})

test('the rights of docs/operations.md suffice', async () => {
  const redis = endWithAll(await RedisServer.start())
  await redis.cli('ACL', 'SETUSER', 'cutover', 'reset', 'on', '>s3cret-one', ...ACL.split(' '))
  const { store } = await open(`redis://cutover:s3cret-one@127.0.0.1:${redis.port}`)
  await store.commit({ ...EMPTY, history: [historyEntry(1, 'change')] })
  store.events.append([draft('begins', { opens: { subject: 'x', keys: [] } }), draft('ends', { closes: 'x' })])
  await logged(store, () => kept(store).length === 3)
  expect(await store.events.moveCursor('hook', '5-0', 2)).toBe(true)
  expect(await store.events.cursor('hook')).toBe('5-0')
  await redis.cli('DEL', STREAM)
  store.events.append([draft('after it')])
  await logged(store, () => reasons(kept(store)).includes('after it'))
})

const EMPTY = { revision: 1, at: '2026-11-29T00:00:00.000Z', services: {} } as const
