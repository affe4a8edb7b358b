import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RedisRegister } from '../../src/store/redis/redis-register.ts'
import type { RedisStore } from '../../src/store/redis/redis-store.ts'
import type { Sighting } from '../../src/store/register.ts'
import { RedisServer } from '../support/redis.ts'
import { endAll, endWithAll, open } from './redis-support.ts'

const NOTE = { leaving: true, why: 'struck', by: 'me', reason: null }

let redis: RedisServer
let a: RedisStore
let b: RedisStore

beforeEach(async () => {
  redis = endWithAll(await RedisServer.start())
  a = (await open(redis.url)).store
  b = (await open(redis.url)).store
})
afterEach(endAll)

/** Heartbeats of instance `a`: the record says how often it was written, and what matters of it is `mark`. */
let written = 0
const beatA = (mark = 'same') => a.register.beat('a', { written: ++written, mark }, { mark })
const beatB = (whole = false) => b.register.beat('b', { name: 'b' }, { mark: 'b', whole })

function of(id: string, sightings: readonly Sighting[]): Sighting {
  const found = sightings.find((each) => each.id === id)
  if (found === undefined) throw new Error(`${id} is not in the register`)
  return found
}

test('a record is read again when what matters of it has changed, or when it is asked for', async () => {
  await beatA()
  const first = of('a', await beatB()).record.written
  await beatA()
  expect(of('a', await beatB()).record.written).toBe(first)
  expect(of('a', await beatB(true)).record.written).toBe(written)
  await beatA()
  await beatA('changed')
  expect(of('a', await beatB()).record).toEqual({ written, mark: 'changed' })
  expect((await beatB()).map(({ id }) => id).toSorted()).toEqual(['a', 'b'])
})

test('without a mark every change of the record matters', async () => {
  await a.register.beat('a', { says: 1 })
  await beatB()
  await a.register.beat('a', { says: 2 })
  expect(of('a', await beatB()).record).toEqual({ says: 2 })
})

test('an instance that is silent has its true age in every reply; one that is not is recent', async () => {
  await beatA()
  for (let waited = 0; waited < 4_000; waited += 500) {
    const { ageMs } = of('a', await beatB())
    expect(ageMs).toBeGreaterThanOrEqual(Math.min(waited, 1_000) - 50)
    if (waited > 2_000) expect(Math.abs(ageMs - waited)).toBeLessThan(600)
    await sleep(500)
  }
  await beatA()
  expect(of('a', await beatB()).ageMs).toBeLessThanOrEqual(1_000)
})

test('an instance that joins, departs and returns is noticed with the next heartbeat of the others', async () => {
  expect((await beatB()).map(({ id }) => id)).toEqual(['b'])
  await beatA()
  expect((await beatB()).map(({ id }) => id).toSorted()).toEqual(['a', 'b'])
  expect(await b.register.strike(['a'], NOTE, 0)).toEqual(['a'])
  const departed = of('a', await beatB())
  expect(departed.record).toEqual(NOTE)
  await sleep(1_200)
  expect(of('a', await beatB()).ageMs).toBeGreaterThanOrEqual(1_100)
  await beatA()
  expect(of('a', await beatB()).record).toEqual({ written, mark: 'same' })
  await b.register.forget(['a'])
  expect((await beatB()).map(({ id }) => id)).toEqual(['b'])
})

test('after Redis was emptied, only what was written since is there', async () => {
  await beatA()
  await beatB()
  await redis.cli('FLUSHALL')
  expect((await beatB()).map(({ id }) => id)).toEqual(['b'])
  await beatA()
  expect((await beatB()).map(({ id }) => id).toSorted()).toEqual(['a', 'b'])
})

test.each(['instances', 'beats'])(
  'after the key of the %s was deleted or damaged, the records are read anew',
  async (key) => {
    await beatA()
    await beatB()
    await redis.cli('DEL', `{test}:${key}`)
    await beatA()
    expect(of('a', await beatB()).record.written).toBe(written)
    await redis.cli('SET', `{test}:${key}`, 'damage')
    await beatA()
    expect(of('a', await beatB()).record.written).toBe(written)
  },
)

test('instances of an older version, which write records alone, are read with every heartbeat', async () => {
  await beatA()
  await beatB()
  const write = (says: number) => redis.cli('HSET', '{test}:instances', 'old', `${Date.now()}|{"says":${says}}`)
  await write(1)
  expect(of('old', await beatB()).record).toEqual({ says: 1 })
  await write(2)
  expect(of('old', await beatB()).record).toEqual({ says: 2 })
  expect(of('old', await beatB()).ageMs).toBeLessThan(1_000)
  await redis.cli('HDEL', '{test}:instances', 'old')
  expect((await beatB()).map(({ id }) => id).toSorted()).toEqual(['a', 'b'])
  // An older version that removes another record.
  await redis.cli('HDEL', '{test}:instances', 'a')
  expect((await beatB()).map(({ id }) => id)).toEqual(['b'])
})

test('a report that may not have arrived is made up for by the record', async () => {
  await beatA()
  await beatB()
  const said: unknown[] = []
  b.register.onReport((_id, progress) => said.push(progress))
  await redis.cli('ACL', 'SETUSER', 'default', '-xadd')
  a.register.report('a', { boot: 'b', sequence: 1, cut: {}, standing: { applied: 2 } }, true)
  const read = async () => {
    await beatA()
    return of('a', await beatB()).record.written
  }
  await expect.poll(async () => (await read()) === written).toBe(true)
  await redis.cli('ACL', 'SETUSER', 'default', '+xadd')
  expect(said).toEqual([])
})

test('after the feed was interrupted, all records are read anew', async () => {
  await beatA()
  await beatB()
  await beatA()
  await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal')
  await expect.poll(async () => of('a', await beatB().catch(() => [])).record.written).toBe(written)
})

test('the feed may be interrupted while a heartbeat is on its way: the next one reads all records all the same', async () => {
  await beatA()
  await beatB()
  const beating = beatB()
  ;(b.register as RedisRegister).missed()
  await beating
  await beatA()
  expect(of('a', await beatB()).record.written).toBe(written)
})

test('a fleet of many costs each heartbeat a short reply', async () => {
  for (let i = 0; i < 100; i++) await a.register.beat(`i${i}`, { text: 'x'.repeat(1_500) }, { mark: 'same' })
  await beatB()
  const before = Number(await redis.info('total_net_output_bytes'))
  for (let i = 0; i < 10; i++) await beatB()
  const sent = Number(await redis.info('total_net_output_bytes')) - before
  // Two calls of redis-cli, and ten replies without a record.
  expect(sent).toBeLessThan(30_000)
})
