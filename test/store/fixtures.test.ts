import { cp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { putDocument } from '../../src/model/document-kind.ts'
import type { Documents, HistoryEntry } from '../../src/model/state.ts'
import type { Store } from '../../src/store/store.ts'
import { RedisServer } from '../support/redis.ts'
import { nextChange } from './both-stores.ts'
import { openStore, temporaryDirectory } from './directory.ts'
import { endAll, endWithAll, open } from './redis-support.ts'

const FIXTURES = fileURLToPath(new URL('fixtures', import.meta.url))
/** Fixtures recorded by `fixtures/record.ts` with earlier versions. */
const VERSIONS = (await readdir(FIXTURES)).filter((name) => name.startsWith('data-'))
const KIND = { collection: 'certificates', fits: (_value: object): _value is { pem: string } => true }

interface Contents {
  readonly documents: Documents
  readonly history: Readonly<Record<string, readonly HistoryEntry[]>>
}

afterEach(endAll)

async function expectedOf(version: string): Promise<{ readonly embedded: Contents; readonly redis: Contents }> {
  return JSON.parse(await readFile(join(FIXTURES, version, 'expected.json'), 'utf8'))
}

async function expectContents(store: Store, { documents, history }: Contents): Promise<void> {
  expect(store.documents()).toEqual(documents)
  for (const [service, entries] of Object.entries(history)) {
    expect(await store.history({ service, limit: 1_000 })).toEqual(entries)
  }
}

/** Makes a document of a collection beside what is there. */
async function goOn(store: Store): Promise<void> {
  const { revision } = store.documents()
  const collections = putDocument(KIND, 'a.example', { pem: 'one' }, revision + 1)
  expect(await store.commit(nextChange(store, { collections }))).toBe('committed')
}

describe.each(VERSIONS)('S2 %s, recorded with an earlier version', (version) => {
  test('loads into the embedded store completely and can be changed', async () => {
    const { embedded } = await expectedOf(version)
    const path = await temporaryDirectory()
    await cp(join(FIXTURES, version, 'embedded'), path, { recursive: true })
    const first = await openStore(path)
    await expectContents(first.store, embedded)
    await goOn(first.store)
    await first.store.close()
    const { store, warnings } = await openStore(path)
    expect(store.documents()).toMatchObject({
      services: embedded.documents.services,
      collections: { certificates: {} },
    })
    expect([...first.warnings, ...warnings]).toEqual([])
    await store.close()
  })

  test('loads from Redis completely and can be changed', async () => {
    const { redis: expected } = await expectedOf(version)
    const redis = endWithAll(await RedisServer.start())
    const commands: string[][] = JSON.parse(await readFile(join(FIXTURES, version, 'redis.json'), 'utf8'))
    for (const command of commands) await redis.cli(...command)
    const { store, told } = await open(redis.url)
    await expectContents(store, expected)
    await goOn(store)
    const again = await open(redis.url)
    expect(again.store.documents()).toEqual(store.documents())
    expect(store.counts()).toEqual({ reloads: 0, lostRevisions: 0, restores: 0 })
    expect([...told, ...again.told]).toEqual([])
  })
})
