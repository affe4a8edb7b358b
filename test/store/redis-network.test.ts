import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OutcomeUnknown } from '../../src/store/store.ts'
import { patience } from '../support/patience.ts'
import { RedisServer } from '../support/redis.ts'
import { Relay } from '../support/relay.ts'
import { at, endAll, endWithAll, next, open, when } from './redis-support.ts'
import { clientsOf, heard, noted, notes, upTo, type Written, write } from './redis-writing.ts'

let redis: RedisServer
let relay: Relay
let relayed: string

beforeEach(async () => {
  redis = endWithAll(await RedisServer.start())
  relay = endWithAll(await Relay.start(redis.port))
  relayed = `redis://127.0.0.1:${relay.port}`
})
afterEach(endAll)

/** Measures a duration, ms. */
async function took(what: Promise<unknown>): Promise<number> {
  const since = performance.now()
  await what
  return performance.now() - since
}

describe('S4: a network that is cut', () => {
  test('makes a store go away; healed, it is current within 2 s, and has told every change once', async () => {
    const [a, b] = [await open(relayed), await open(redis.url)]
    const revisions = heard(a.store)
    await next(b.store)
    await at(a.store, 1)
    await relay.cut()
    await when(a.store, () => !a.store.status().up)
    for (let i = 0; i < 20; i++) await next(b.store)
    expect(a.store.documents().revision).toBe(1)
    await relay.heal()
    const ms = await took(when(a.store, () => a.store.status().up && a.store.documents().revision === 21))
    expect(ms).toBeLessThan(patience(2_000))
    expect(a.store.documents()).toEqual(b.store.documents())
    expect(revisions).toEqual(upTo(21))
    expect(a.store.counts()).toEqual({ reloads: 0, lostRevisions: 0, restores: 0 })
  })

  test('for so long that the feed was trimmed meanwhile: everything is read anew, once', async () => {
    const [a, b] = [await open(relayed), await open(redis.url)]
    const revisions = heard(a.store)
    await next(b.store)
    await at(a.store, 1)
    await relay.cut()
    for (let i = 0; i < 1_600; i++) await next(b.store)
    expect(Number(await redis.cli('XLEN', '{test}:changes'))).toBeLessThan(1_500)
    await relay.heal()
    const ms = await took(when(a.store, () => a.store.status().up && a.store.documents().revision === 1_601))
    expect(ms).toBeLessThan(patience(2_000))
    expect(a.store.counts()).toEqual({ reloads: 1, lostRevisions: 0, restores: 0 })
    expect(a.store.documents()).toEqual(b.store.documents())
    expect(revisions).toEqual([1, null])
    await next(b.store)
    await at(a.store, 1_602)
    expect(revisions.at(-1)).toBe(1_602)
    expect(a.store.counts().reloads).toBe(1)
  })
})

describe('connections that break', () => {
  test('under a stream of writes: acknowledged changes are there exactly once, refused ones are not', async () => {
    const stores = [await open(relayed), await open(relayed)]
    const direct = await open(redis.url)
    const revisions = heard(direct.store)
    const made: (string | null | undefined)[] = []
    direct.store.subscribe((_, change) => made.push(change?.history[0]?.reason))
    const written = new Map<string, Written['kind']>()
    let goesOn = true
    const writing = stores.map(async ({ store }, index) => {
      for (let i = 0; goesOn; i++) {
        const { kind } = await write(store, `${index}/${i}`)
        written.set(`${index}/${i}`, kind)
        if (kind === 'refused') await when(store, () => store.status().up)
        // Slowly enough that no store misses more than the feed keeps.
        await setTimeout(25)
      }
    })
    for (let round = 0; round < 10; round++) {
      const { revision } = direct.store.documents()
      await at(direct.store, revision + 1 + Math.floor(Math.random() * 20))
      if (round % 2 === 0) relay.dropAll()
      else await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal')
    }
    goesOn = false
    await Promise.all(writing)
    const last = Number(await redis.cli('HGET', '{test}:meta', 'revision'))
    for (const { store } of [direct, ...stores]) await at(store, last)
    expect(new Set(made).size).toBe(made.length)
    const acknowledged = [...written].filter(([, kind]) => kind === 'committed').map(([note]) => note)
    expect(acknowledged.filter((note) => !made.includes(note))).toEqual([])
    expect(made.filter((note) => written.get(note ?? '') === 'refused')).toEqual([])
    for (const { store } of stores) expect(store.documents()).toEqual(direct.store.documents())
    expect(revisions).toEqual(upTo(last))
  })

  test('only that of the feed: changes made meanwhile arrive, and no store is reported away', async () => {
    const a = await open(relayed)
    const [feed = ''] = await clientsOf(redis, 'cutover-feed')
    const b = await open(redis.url)
    const revisions = heard(a.store)
    await next(b.store)
    await at(a.store, 1)
    await redis.cli('CLIENT', 'KILL', 'ID', feed)
    for (let i = 0; i < 5; i++) await next(b.store)
    expect(await took(at(a.store, 6))).toBeLessThan(patience(2_000))
    expect(revisions).toEqual(upTo(6))
    expect(a.told).toEqual([])
    expect(a.store.counts().reloads).toBe(0)
    await when(a.store, () => a.store.status().up)
    // The feed itself is there again, not only the look at the revision now and then.
    for (let revision = 7; revision <= 12; revision++) {
      await next(b.store)
      await at(a.store, revision)
    }
    expect((await clientsOf(redis, 'cutover-feed')).length).toBe(2)
  })

  test('only that of the commands, between two writes: both are made', async () => {
    const a = await open(relayed)
    for (let revision = 1; revision <= 10; revision++) {
      const [commands = ''] = await clientsOf(redis, 'cutover-commands')
      await redis.cli('CLIENT', 'KILL', 'ID', commands)
      expect(await a.store.commit(noted(revision, `after ${revision}`))).toBe('committed')
    }
    expect(await notes(a.store)).toHaveLength(10)
  })
})

describe('a network that passes nothing', () => {
  test('fails a write after 2 s as unknown; the delayed command is refused as late when it arrives', async () => {
    const a = await open(relayed)
    await next(a.store)
    await redis.cli('CONFIG', 'SET', 'slowlog-max-len', '1000')
    await redis.cli('CONFIG', 'SET', 'slowlog-log-slower-than', '0')
    relay.freeze()
    const since = performance.now()
    const result = await write(a.store, 'held back')
    const ms = performance.now() - since
    expect(result).toMatchObject({ kind: 'unknown', error: expect.any(OutcomeUnknown) })
    expect(ms).toBeGreaterThan(1_900)
    expect(ms).toBeLessThan(2_600)
    expect(a.store.status().up).toBe(false)
    expect(await redis.cli('SLOWLOG', 'GET', '1000')).not.toContain('{test}:history:shop')
    relay.thaw()
    expect(await took(when(a.store, () => a.store.status().up))).toBeLessThan(patience(2_000))
    // It has come all the same, and has changed nothing.
    expect(await redis.cli('SLOWLOG', 'GET', '1000')).toContain('{test}:history:shop')
    expect(await redis.cli('HGET', '{test}:meta', 'revision')).toBe('1')
    expect(a.told.filter((line) => line.includes('was not made'))).toHaveLength(1)
    await write(a.store, 'in time')
    expect(await notes(a.store)).toEqual(['because', 'in time'])
  })

  test('leaves a heartbeat as old as it is when it arrives late', async () => {
    const [a, b] = [await open(relayed), await open(redis.url)]
    const ageOfA = async (): Promise<number> => {
      const sightings = await b.store.register.beat('b', {})
      return sightings.find(({ id, record }) => id === 'a' && record.says === 'late')?.ageMs ?? -1
    }
    await a.store.register.beat('a', { says: 'first' })
    relay.freeze()
    await expect(a.store.register.beat('a', { says: 'late' })).rejects.toThrow(OutcomeUnknown)
    expect(await ageOfA()).toBe(-1)
    relay.thaw()
    await expect.poll(ageOfA).toBeGreaterThan(900)
    await a.store.register.beat('a', { says: 'now' })
    const [now] = (await b.store.register.beat('b', {})).filter(({ id }) => id === 'a')
    expect([now?.record, (now?.ageMs ?? 0) < 500]).toEqual([{ says: 'now' }, true])
  })

  test('makes a store that does nothing go away within 2.5 s, and be back within 2 s after it passes again', async () => {
    const [a, b] = [await open(relayed), await open(redis.url)]
    await next(b.store)
    await at(a.store, 1)
    relay.freeze()
    // 1.5 s to the next look at the revision at most, and 1 s for its answer; the rest is for a busy machine.
    expect(await took(when(a.store, () => !a.store.status().up))).toBeLessThan(3_500)
    expect(a.store.status()).toMatchObject({ detail: 'Redis does not answer' })
    expect(await took(write(a.store, 'while away'))).toBeLessThan(50)
    await next(b.store)
    relay.thaw()
    const ms = await took(when(a.store, () => a.store.status().up && a.store.documents().revision === 2))
    expect(ms).toBeLessThan(patience(2_000))
    expect(a.store.documents()).toEqual(b.store.documents())
  })
})

test('a network of 150 ms each way: writes are made, changes arrive, and no store is reported away', async () => {
  relay.delayMs = 150
  const [a, b] = [await open(relayed), await open(relayed)]
  const revisions = heard(b.store)
  for (let i = 0; i < 20; i++) {
    expect(await took(next((i % 2 === 0 ? a : b).store))).toBeLessThan(1_900)
    await at(a.store, i + 1)
    await at(b.store, i + 1)
  }
  expect(revisions).toEqual(upTo(20))
  expect([a.told, b.told]).toEqual([[], []])
  expect(a.store.documents()).toEqual(b.store.documents())
})
