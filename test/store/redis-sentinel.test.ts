import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RedisTopology } from '../../src/store/redis/redis-settings.ts'
import { patience } from '../support/patience.ts'
import { type RedisServer, until } from '../support/redis.ts'
import { SentinelGroup } from '../support/redis-sentinel.ts'
import { at, endAll, endWithAll, open, type Told, when } from './redis-support.ts'
import { heard, nodesOf, noted, notes, upTo, type Written, write } from './redis-writing.ts'

let group: SentinelGroup
let topology: RedisTopology

beforeEach(async () => {
  group = endWithAll(await SentinelGroup.start())
  topology = { kind: 'sentinel', sentinels: nodesOf(group.sentinels), name: group.name }
})
afterEach(endAll)

/** Cuts the replicas off from a primary: nothing that is written from now on gets to them, not even later. */
async function cutOff(primary: RedisServer): Promise<RedisServer[]> {
  const replicas = group.servers.filter((server) => server !== primary)
  for (const replica of replicas) replica.pause()
  await primary.cli('CLIENT', 'KILL', 'TYPE', 'replica')
  return replicas
}

/** The primary is gone, and one of those that were cut off takes its place. */
async function loseTo(replicas: readonly RedisServer[], primary: RedisServer): Promise<RedisServer> {
  await primary.kill()
  for (const replica of replicas) replica.resume()
  let current = primary
  await until('new primary', async () => {
    current = await group.primary()
    return current !== primary && (await current.info('role')) === 'master'
  })
  return current
}

/** Resolves when all have the state that this server has, and rejects when that takes far longer than it should. */
async function allAsIn(server: RedisServer, stores: readonly Told[]): Promise<void> {
  const head = await server.cli('HGET', '{test}:meta', 'head')
  for (const { store } of stores) await when(store, () => store.status().up && store.documents().head === head, 5_000)
}

test('S4: a fail-over under writes: all stores are up to date within 2 s; acknowledged changes are there or reported lost', async () => {
  const stores = [await open(topology), await open(topology)]
  const written = new Map<string, Written['kind']>()
  let goesOn = true
  const writing = stores.map(async ({ store }, index) => {
    for (let i = 0; goesOn; i++) {
      const { kind } = await write(store, `${index}/${i}`)
      written.set(`${index}/${i}`, kind)
      if (kind === 'refused') await when(store, () => store.status().up, 15_000)
    }
  })
  for (const { store } of stores) await at(store, 50)
  await group.failOver()
  const since = performance.now()
  for (const { store } of stores) await when(store, () => store.status().up, 2_000)
  const { revision } = (stores[0] as Told).store.documents()
  for (const { store } of stores) await at(store, revision + 20)
  expect(performance.now() - since).toBeLessThan(patience(2_000))
  goesOn = false
  await Promise.all(writing)
  await allAsIn(await group.primary(), stores)
  const [a, b] = stores as [Told, Told]
  expect(a.store.documents()).toEqual(b.store.documents())
  const made = await notes(a.store)
  expect(new Set(made).size).toBe(made.length)
  const acknowledged = [...written].filter(([, kind]) => kind === 'committed' || kind === 'unreplicated')
  const missing = acknowledged.filter(([note]) => !made.includes(note))
  for (const { store, told } of missing.length === 0 ? [] : stores) {
    expect(store.counts().lostRevisions).toBeGreaterThanOrEqual(missing.length)
    expect(told.filter((line) => line.startsWith('error: the store has lost changes'))).not.toEqual([])
  }
  expect(made.filter((note) => written.get(note ?? '') === 'refused')).toEqual([])
})

test('a write that no replica has is unreplicated, and any other one is committed', async () => {
  const [a, b] = [await open(topology), await open(topology)]
  const revisions = heard(b.store)
  expect(await write(a.store, 'one')).toEqual({ kind: 'committed' })
  const replicas = await cutOff(await group.primary())
  expect(await write(a.store, 'two')).toEqual({ kind: 'unreplicated' })
  for (const replica of replicas) replica.resume()
  await until('replica in sync', async () => (await (replicas[0] as RedisServer).info('master_link_status')) === 'up')
  expect(await write(a.store, 'three')).toEqual({ kind: 'committed' })
  await at(b.store, 3)
  expect(revisions).toEqual(upTo(3))
  expect(a.store.counts()).toEqual({ reloads: 0, lostRevisions: 0, restores: 0 })
})

describe('a change that is lost in a fail-over', () => {
  test('is gone from all stores, which report it once, and its revision is used again', async () => {
    const stores = [await open(topology), await open(topology)]
    const [a, b] = stores as [Told, Told]
    for (const note of ['one', 'two']) await write(a.store, note)
    await at(b.store, 2)
    const kept = b.store.documents()
    const primary = await group.primary()
    const replicas = await cutOff(primary)
    expect(await write(a.store, 'lost')).toEqual({ kind: 'unreplicated' })
    await at(b.store, 3)
    const current = await loseTo(replicas, primary)
    await allAsIn(current, stores)
    for (const { store, told } of stores) {
      expect(store.documents()).toEqual(kept)
      expect(store.counts().lostRevisions).toBe(1)
      const lines = told.filter((line) => line.includes('lost'))
      expect(lines).toEqual([expect.stringContaining('revision 3 it is back to 2')])
      expect(lines[0]).toContain('3 (switch shop by tester)')
    }
    expect(await write(b.store, 'anew')).toMatchObject({ kind: 'committed' })
    await at(a.store, 3)
    expect(a.store.documents()).toEqual(b.store.documents())
    expect(a.store.documents().head).toBe(await current.cli('HGET', '{test}:meta', 'head'))
    expect(await notes(a.store)).toEqual(['one', 'two', 'anew'])
    for (const { store } of stores) expect(store.counts().lostRevisions).toBe(1)
  })
})

test('a lease stays with its holder through a fail-over, and its epoch is not given out again', async () => {
  const [a, b] = [await open(topology), await open(topology)]
  const lease = await a.store.leases.take('rollouts', 'a', 600_000)
  if (lease === null) throw new Error('there is no other holder')
  await at(b.store, 1)
  await group.failOver()
  for (const each of [a, b]) await allAsIn(await group.primary(), [each])
  expect(await b.store.leases.take('rollouts', 'b', 600_000)).toBeNull()
  expect(await a.store.leases.renew(lease, 600_000)).toBe(true)
  expect(await a.store.leases.commit(lease, noted(2, 'held'))).toMatch(/committed|unreplicated/)
  await a.store.leases.release(lease)
  await at(b.store, 3)
  expect(await b.store.leases.take('rollouts', 'b', 600_000)).toMatchObject({ epoch: 2 })
})

test('a take that a fail-over loses: its epoch is given out once more, and its holder writes nothing with it', async () => {
  const [a, b] = [await open(topology), await open(topology)]
  const first = await a.store.leases.take('rollouts', 'a', 600_000)
  if (first === null) throw new Error('there is no other holder')
  await a.store.leases.release(first)
  await at(b.store, 2)
  const primary = await group.primary()
  const replicas = await cutOff(primary)
  const lost = await b.store.leases.take('rollouts', 'b', 600_000)
  const current = await loseTo(replicas, primary)
  await allAsIn(current, [a, b])
  const again = await a.store.leases.take('rollouts', 'a', 600_000)
  expect([lost?.epoch, again?.epoch]).toEqual([2, 2])
  if (lost === null || again === null) throw new Error('both were taken')
  await at(b.store, 3)
  expect(await b.store.leases.commit(lost, noted(4, 'lost'))).toBe('fenced')
  expect(await b.store.leases.renew(lost, 600_000)).toBe(false)
  expect(await a.store.leases.commit(again, noted(4, 'held'))).toMatch(/committed|unreplicated/)
})
