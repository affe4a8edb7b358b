import { afterEach, beforeEach, expect, test } from 'vitest'
import { RedisServer } from '../support/redis.ts'
import { at, endAll, endWithAll, open, type Told, when } from './redis-support.ts'
import { clientsOf, heard, notes, upTo, type Written, write } from './redis-writing.ts'

const WRITERS = 4
const EACH = 50

let redis: RedisServer
let stores: Told[]

beforeEach(async () => {
  redis = endWithAll(await RedisServer.start())
  stores = await Promise.all(Array.from({ length: WRITERS }, () => open(redis.url)))
})
afterEach(endAll)

/** The notes of all writers, with the outcome of each. */
async function writeAll(): Promise<Map<string, Written['kind']>> {
  const written = new Map<string, Written['kind']>()
  const writing = stores.map(async ({ store }, index) => {
    for (const i of upTo(EACH)) {
      // One that was refused was certainly not made: it is asked for again.
      let kind: Written['kind'] = 'refused'
      while (kind === 'refused') {
        await when(store, () => store.status().up)
        kind = (await write(store, `${index}/${i}`)).kind
      }
      written.set(`${index}/${i}`, kind)
    }
  })
  await Promise.all(writing)
  return written
}

/** The entries of the feed as Redis has them: which head each goes on from, and which one it makes. */
async function chain(): Promise<{ base: string; head: string }[]> {
  const lines = (await redis.cli('XRANGE', '{test}:changes', '-', '+')).split('\n')
  const after = (name: string) => lines.flatMap((line, index) => (line === name ? [lines[index + 1] ?? ''] : []))
  const heads = after('head')
  return after('base').map((base, index) => ({ base, head: heads[index] ?? '' }))
}

/** Expects one line of revisions, in Redis and in every store. */
async function expectOneLine(last: number): Promise<void> {
  for (const { store } of stores) await at(store, last)
  const entries = await chain()
  expect(entries.map(({ base }) => base)).toEqual(['', ...entries.slice(0, -1).map(({ head }) => head)])
  expect(entries.map(({ head }) => Number(head.split('.')[1]))).toEqual(upTo(last))
  expect(await redis.cli('HMGET', '{test}:meta', 'head', 'revision')).toBe(`${entries.at(-1)?.head}\n${last}`)
  const [first, ...others] = stores.map(({ store }) => store.documents())
  expect(first?.head).toBe(entries.at(-1)?.head)
  for (const other of others) expect(other).toEqual(first)
}

test('S3: 4 stores making 50 changes each at once: 200 revisions, seen by all stores once each, in order', async () => {
  const revisions = stores.map(({ store }) => heard(store))
  const written = await writeAll()
  expect(new Set(written.values())).toEqual(new Set(['committed']))
  await expectOneLine(WRITERS * EACH)
  for (const each of revisions) expect(each).toEqual(upTo(WRITERS * EACH))
  const made = await notes((stores[0] as Told).store)
  expect([...made].sort()).toEqual([...written.keys()].sort())
  for (const { store, told } of stores) {
    expect(store.counts()).toEqual({ reloads: 0, lostRevisions: 0, restores: 0 })
    expect(told).toEqual([])
  }
})

test.each(['1', '2', '3'])('the same while connections are killed at random (%s)', async () => {
  const revisions = stores.map(({ store }) => heard(store))
  let goesOn = true
  const killing = (async () => {
    const [{ store }] = stores as [Told]
    while (goesOn) {
      const name = Math.random() < 0.5 ? 'cutover-feed' : 'cutover-commands'
      const ids = await clientsOf(redis, name)
      const id = ids[Math.floor(Math.random() * ids.length)]
      // It may have gone by now.
      if (id !== undefined) await redis.cli('CLIENT', 'KILL', 'ID', id).catch(() => undefined)
      const { revision } = store.documents()
      const isPast = () => !goesOn || store.documents().revision > revision + 5
      await when(store, isPast)
    }
  })()
  const written = await writeAll()
  goesOn = false
  await killing
  const last = Number(await redis.cli('HGET', '{test}:meta', 'revision'))
  await expectOneLine(last)
  for (const each of revisions) expect(each).toEqual(upTo(last))
  const made = await notes((stores[0] as Told).store)
  expect(new Set(made).size).toBe(made.length)
  const missing = [...written].filter(([note, kind]) => kind === 'committed' && !made.includes(note))
  expect(missing).toEqual([])
})
