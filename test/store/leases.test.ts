import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Lease } from '../../src/model/leases.ts'
import type { Store } from '../../src/store/store.ts'
import { BOTH_STORES, nextChange } from './both-stores.ts'
import { serviceDocument } from './changes.ts'

/** Longer than any test takes. */
const LONG_MS = 600_000
const SHORT_MS = 150

async function taken(store: Store, holder: string, ttlMs = LONG_MS): Promise<Lease> {
  const lease = await store.leases.take('rollouts', holder, ttlMs)
  if (lease === null) throw new Error(`${holder} did not get the lease`)
  return lease
}

/** Takes the lease as soon as it has run out. */
async function takenOver(store: Store, holder: string, ttlMs = LONG_MS): Promise<Lease> {
  for (;;) {
    const lease = await store.leases.take('rollouts', holder, ttlMs)
    if (lease !== null) return lease
    await sleep(10)
  }
}

function change(store: Store) {
  const revision = store.documents().revision + 1
  return nextChange(store, { services: { shop: serviceDocument('shop', revision) } })
}

describe.each(BOTH_STORES)('leases of %s', (_, place) => {
  test('of ten concurrent takers one gets the lease; another gets it after its release, in a new epoch', async () => {
    const store = await (await place()).open()
    const all = await Promise.all(
      Array.from({ length: 10 }, (_each, i) => store.leases.take('rollouts', `i${i}`, LONG_MS)),
    )
    const [first, ...others] = all.filter((lease) => lease !== null)
    expect(others).toEqual([])
    expect(first).toMatchObject({ name: 'rollouts', epoch: 1 })
    await store.leases.release(first as Lease)
    expect(await taken(store, 'next')).toMatchObject({ holder: 'next', epoch: 2 })
  })

  test('leases of different names are independent', async () => {
    const store = await (await place()).open()
    await taken(store, 'a')
    expect(await store.leases.take('acme', 'b', LONG_MS)).toMatchObject({ name: 'acme', holder: 'b', epoch: 1 })
  })

  test('a lease that is not renewed can be taken after it has run out, and not before', async () => {
    const store = await (await place()).open()
    const since = performance.now()
    const first = await taken(store, 'a', SHORT_MS)
    const second = await takenOver(store, 'b')
    // Redis counts whole milliseconds.
    expect(performance.now() - since).toBeGreaterThan(SHORT_MS - 1)
    expect(second).toMatchObject({ holder: 'b', epoch: first.epoch + 1 })
    expect(await store.leases.renew(first, LONG_MS)).toBe(false)
    expect(await store.leases.take('rollouts', 'a', LONG_MS)).toBeNull()
  })

  test('a lease that is renewed stays with its holder, and makes no revision', async () => {
    const store = await (await place()).open()
    const lease = await taken(store, 'a', SHORT_MS)
    const { revision } = store.documents()
    expect(await store.leases.renew(lease, LONG_MS)).toBe(true)
    await sleep(2 * SHORT_MS)
    expect(await store.leases.take('rollouts', 'b', LONG_MS)).toBeNull()
    expect(store.documents().revision).toBe(revision)
    expect(await store.leases.commit(lease, change(store))).toBe('committed')
  })

  test('a lease that has run out and was not taken is still good for writes and can be renewed', async () => {
    const store = await (await place()).open()
    const lease = await taken(store, 'a', SHORT_MS)
    await sleep(2 * SHORT_MS)
    expect(await store.leases.commit(lease, change(store))).toBe('committed')
    expect(await store.leases.renew(lease, LONG_MS)).toBe(true)
    expect(await store.leases.take('rollouts', 'b', LONG_MS)).toBeNull()
  })

  test('a write of an earlier epoch is refused, and changes nothing', async () => {
    const store = await (await place()).open()
    const first = await taken(store, 'a', SHORT_MS)
    expect(await store.leases.commit(first, change(store))).toBe('committed')
    // It was decided while the lease was held.
    const late = change(store)
    const second = await takenOver(store, 'b')
    const before = store.documents()
    expect(await store.leases.commit(first, late)).toBe('fenced')
    expect(await store.leases.commit(first, change(store))).toBe('fenced')
    await store.leases.release(first)
    expect(store.documents()).toBe(before)
    expect(await store.leases.commit(second, late)).toBe('stale')
    expect(await store.leases.commit(second, change(store))).toBe('committed')
  })

  test('a holder cannot write after it has released its lease', async () => {
    const store = await (await place()).open()
    const lease = await taken(store, 'a')
    await store.leases.release(lease)
    expect(await store.leases.commit(lease, change(store))).toBe('fenced')
    expect(await store.leases.renew(lease, LONG_MS)).toBe(false)
  })

  test('a restart keeps holder and epoch; the holder goes on, and without it another takes over', async () => {
    const there = await place()
    const before = await there.open()
    const first = await taken(before, 'a')
    await before.close()
    const store = await there.open()
    expect(await store.leases.take('rollouts', 'b', SHORT_MS)).toBeNull()
    expect(await store.leases.renew(first, SHORT_MS)).toBe(true)
    expect(await store.leases.commit(first, change(store))).toBe('committed')
    expect(await takenOver(store, 'b', SHORT_MS)).toMatchObject({ epoch: first.epoch + 1 })
  })

  test('a lease that a newer version keeps in another shape is not taken', async () => {
    const store = await (await place()).open()
    const newer = { revision: 1, value: { holders: ['a', 'b'], epoch: 7 } }
    await store.commit(nextChange(store, { collections: { leases: { rollouts: newer } } }))
    expect(await store.leases.take('rollouts', 'c', LONG_MS)).toBeNull()
    expect(store.documents().collections).toEqual({ leases: { rollouts: newer } })
  })
})
