import { describe, expect, test } from 'vitest'
import { documentSubject, findDocument, putDocument, removeDocument } from '../../src/model/document-kind.ts'
import type { Change, HistoryEntry } from '../../src/model/state.ts'
import { BOTH_STORES, nextChange, withoutHead } from './both-stores.ts'
import { NAMES, serviceDocument } from './changes.ts'

type Certificate = { readonly pem: string }
const CERTIFICATES = {
  collection: 'certificates',
  fits: (value: object): value is Certificate => 'pem' in value && typeof value.pem === 'string',
}
/** Names that a plain object or a Redis key would take for something else. */
const DOCUMENT_NAMES = [...NAMES, '*.example.com', 'a/b', '/', '__proto__', '']

function entryOf(change: Change, subject: string): HistoryEntry {
  const { revision, at } = change
  return { revision, at, by: 'a', reason: null, action: 'order', service: subject, from: null, to: null, forced: false }
}

describe.each(BOTH_STORES)('collections of %s', (_, place) => {
  test('one change makes a document beside a service; both are announced and read back', async () => {
    const there = await place()
    const store = await there.open()
    const told: (Change | null)[] = []
    store.subscribe((_documents, change) => told.push(change))
    const change = nextChange(store, {
      services: { shop: serviceDocument('shop', 1) },
      collections: putDocument(CERTIFICATES, 'a.example', { pem: 'one' }, 1),
    })
    expect(await store.commit(change)).toBe('committed')
    expect(told).toEqual([change])
    expect(store.documents()).toMatchObject({
      services: { shop: serviceDocument('shop', 1) },
      collections: { certificates: { 'a.example': { revision: 1, value: { pem: 'one' } } } },
    })
    expect(store.snapshot().documents).toBe(store.documents())
    await store.close()
    expect((await there.open()).documents()).toEqual(store.documents())
  })

  test('documents are replaced and removed; a collection ends with its last document', async () => {
    const there = await place()
    const store = await there.open()
    for (const pem of ['first', 'second']) {
      for (const name of DOCUMENT_NAMES) {
        const collections = putDocument(CERTIFICATES, name, { pem }, store.documents().revision + 1)
        expect(await store.commit(nextChange(store, { collections }))).toBe('committed')
      }
    }
    await store.close()
    const again = await there.open()
    expect(again.documents()).toEqual(store.documents())
    for (const [index, name] of DOCUMENT_NAMES.entries()) {
      const revision = DOCUMENT_NAMES.length + index + 1
      const found = findDocument(CERTIFICATES, again.documents(), name)
      expect(found).toEqual({ name, revision, value: { pem: 'second' } })
    }
    for (const [index, name] of DOCUMENT_NAMES.entries()) {
      const names = Object.keys(again.documents().collections?.certificates ?? {})
      expect(names.toSorted()).toEqual(DOCUMENT_NAMES.slice(index).toSorted())
      await again.commit(nextChange(again, { collections: removeDocument(CERTIFICATES, name) }))
    }
    expect(again.documents()).not.toHaveProperty('collections')
    await again.close()
    expect((await there.open()).documents()).toEqual(again.documents())
  })

  test('documents of a kind that this version does not know are kept unchanged', async () => {
    const there = await place()
    const store = await there.open()
    const unknown = { revision: 1, value: { pem: { of: 'another shape' }, more: [1, 2.5, null, 'ü'] } }
    await store.commit(
      nextChange(store, { collections: { certificates: { one: unknown }, ofTomorrow: { two: unknown } } }),
    )
    expect(findDocument(CERTIFICATES, store.documents(), 'one')).toBe('unreadable')
    await store.commit(nextChange(store, { services: { shop: serviceDocument('shop', 2) } }))
    await store.close()
    const again = await there.open()
    expect(again.documents().collections).toEqual({ certificates: { one: unknown }, ofTomorrow: { two: unknown } })
    expect(withoutHead(again.documents())).toEqual(withoutHead(store.documents()))
  })

  test('a document has its own history, which outlives it', async () => {
    const there = await place()
    const store = await there.open()
    const subject = documentSubject(CERTIFICATES, 'shop')
    const entries: HistoryEntry[] = []
    for (const collections of [
      putDocument(CERTIFICATES, 'shop', { pem: 'one' }, 1),
      putDocument(CERTIFICATES, 'shop', { pem: 'two' }, 2),
      removeDocument(CERTIFICATES, 'shop'),
    ]) {
      const change = nextChange(store, { collections })
      entries.unshift(entryOf(change, subject))
      await store.commit({ ...change, history: entries.slice(0, 1) })
    }
    expect(await store.history({ service: subject, limit: 9 })).toEqual(entries)
    expect(await store.history({ service: 'shop', limit: 9 })).toEqual([])
    await store.close()
    expect(await (await there.open()).history({ service: subject, limit: 2 })).toEqual(entries.slice(0, 2))
  })

  test('exactly one of two racing changes to a document is made', async () => {
    const store = await (await place()).open()
    const changes = ['one', 'two'].map((pem) =>
      nextChange(store, { collections: putDocument(CERTIFICATES, 'a', { pem }, 1) }),
    )
    const outcomes = await Promise.all(changes.map((change) => store.commit(change)))
    expect(outcomes).toEqual(['committed', 'stale'])
    expect(findDocument(CERTIFICATES, store.documents(), 'a')).toMatchObject({ value: { pem: 'one' } })
  })
})
