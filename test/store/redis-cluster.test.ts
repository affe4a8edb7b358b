import { afterEach, describe, expect, test } from 'vitest'
import type { RedisTopology } from '../../src/store/redis/redis-settings.ts'
import { RedisCluster } from '../support/redis-cluster.ts'
import { CLUSTER_ACL } from './redis-acl.ts'
import { at, endAll, endWithAll, next, open, when } from './redis-support.ts'
import { heard, nodesOf, notes, upTo, write } from './redis-writing.ts'

afterEach(endAll)

async function start(replicas: 0 | 1): Promise<{ cluster: RedisCluster; topology: RedisTopology }> {
  const cluster = endWithAll(await RedisCluster.start({ replicas }))
  return { cluster, topology: { kind: 'cluster', nodes: nodesOf(cluster.addresses) } }
}

/** Every key there is, on whichever node. */
async function allKeys(cluster: RedisCluster): Promise<string[]> {
  const keys = await Promise.all(cluster.nodes.map((node) => node.cli('KEYS', '*')))
  return [...new Set(keys.flatMap((lines) => lines.split('\n')))].filter((key) => key !== '').sort()
}

describe('a cluster with replicas', () => {
  test('has all of a fleet in one slot, goes on after a fail-over, and every store with it', async () => {
    const { cluster, topology } = await start(1)
    const [a, b] = [await open(topology), await open(topology)]
    const revisions = heard(b.store)
    for (let i = 0; i < 10; i++) expect(await write((i % 2 === 0 ? a : b).store, `${i}`)).toEqual({ kind: 'committed' })
    await a.store.remember('key', { answer: 1 })
    expect(await b.store.recall('key')).toEqual({ answer: 1 })
    expect(await a.store.register.beat('one', { name: 'a' })).toMatchObject([{ id: 'one', record: { name: 'a' } }])
    a.store.register.report('one', { boot: 'b', sequence: 1, cut: {}, standing: { revision: 10 } }, true)
    const owner = await cluster.ownerOf('{test}:meta')
    const keys = await allKeys(cluster)
    expect(keys).toContain('{test}:answer:key')
    expect(keys).toContain('{test}:history:shop')
    const slots = await Promise.all(keys.map((key) => owner.cli('CLUSTER', 'KEYSLOT', key)))
    expect(new Set(slots).size).toBe(1)
    await at(b.store, 10)

    await owner.kill()
    for (const { store } of [a, b]) await when(store, () => !store.status().up)
    for (const { store } of [a, b]) await when(store, () => store.status().up, 15_000)
    expect(await cluster.ownerOf('{test}:meta').catch(() => owner)).not.toBe(owner)
    const made = await write(a.store, 'after')
    expect(['committed', 'unreplicated']).toContain(made.kind)
    await at(b.store, 11)
    expect(revisions).toEqual(upTo(11))
    expect(a.store.documents()).toEqual(b.store.documents())
    expect(await notes(b.store)).toEqual([...upTo(10).map((i) => `${i - 1}`), 'after'])
    for (const { store } of [a, b]) expect(store.counts()).toEqual({ reloads: 0, lostRevisions: 0, restores: 0 })

    // The one that was killed is a replica now: writes have one again.
    await owner.restart()
    await when(a.store, () => a.store.status().up)
    for (let made = ''; made !== 'committed'; ) made = (await write(a.store, 'with a replica')).kind
  })
})

describe('a cluster without replicas', () => {
  test('is away while the node with the state is, then back and restored', async () => {
    const { cluster, topology } = await start(0)
    const [a, b] = [await open(topology), await open(topology)]
    for (let i = 0; i < 3; i++) await next(a.store)
    await at(b.store, 3)
    const known = a.store.documents()
    const owner = await cluster.ownerOf('{test}:meta')
    await owner.kill()
    for (const { store } of [a, b]) await when(store, () => !store.status().up)
    expect(a.told.join('\n')).not.toMatch(/127\.0\.0\.1|\d{5}/)
    expect((await write(a.store, 'refused')).kind).toBe('refused')
    expect(a.store.documents()).toBe(known)
    // Nothing was on its disk.
    await owner.restart()
    for (const { store } of [a, b]) await when(store, () => store.status().up)
    expect(a.store.counts().restores + b.store.counts().restores).toBe(1)
    await next(b.store)
    await at(a.store, 4)
    expect(a.store.documents()).toEqual(b.store.documents())
    expect(await owner.cli('HGET', '{test}:meta', 'revision')).toBe('4')
  })

  test('is used by a user with few rights, through the one of the nodes given that can be reached', async () => {
    const { cluster, topology } = await start(0)
    if (topology.kind !== 'cluster') throw new Error(topology.kind)
    for (const node of cluster.nodes)
      await node.cli('ACL', 'SETUSER', 'cutover', 'reset', 'on', '>pass', ...CLUSTER_ACL.split(' '))
    const nodes = [{ host: '127.0.0.1', port: 1 }, ...topology.nodes.slice(0, 1)]
    const [a, b] = await Promise.all(
      [1, 2].map(() => open({ kind: 'cluster', nodes, username: 'cutover', password: 'pass' })),
    )
    for (const store of [a?.store, b?.store, a?.store]) if (store !== undefined) await next(store)
    expect(b?.store.documents().revision).toBeGreaterThan(1)
    for (const node of cluster.nodes) expect(await node.cli('ACL', 'LOG')).toBe('')
  })
})
