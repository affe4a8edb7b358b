import { execFile } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { applyChange, type Change, EMPTY_DOCUMENTS, type HistoryEntry } from '../../src/model/state.ts'
import { StoreUnavailable } from '../../src/store/store.ts'
import { changeFor, changesTo, documentsAt, NAMES } from './changes.ts'
import { directoryWith, openStore, temporaryDirectory } from './directory.ts'

test('begins empty, in a directory it creates for its owner only', async () => {
  const path = join(await temporaryDirectory(), 'a', 'b')
  const { store } = await openStore(path)
  expect(store.documents()).toEqual(EMPTY_DOCUMENTS)
  expect((await stat(path)).mode & 0o777).toBe(0o700)
  for (const file of await readdir(path)) expect((await stat(join(path, file))).mode & 0o777).toBe(0o600)
  await store.close()
  expect(await readdir(path)).toEqual(['changes.log', 'events.log', 'state.json'])
})

test('documents and history survive a restart, from the log and from snapshots', async () => {
  for (const compactAfter of [1_000, 1, 3, 5]) {
    const path = await directoryWith(changesTo(20), compactAfter)
    const { store, warnings } = await openStore(path)
    expect(store.documents()).toEqual(documentsAt(20))
    const entries = changesTo(20).flatMap((change) => change.history)
    for (const service of NAMES) {
      const expected = entries.filter((entry) => entry.service === service).toReversed()
      expect(await store.history({ service, limit: 100 })).toEqual(expected)
      expect(await store.history({ service, limit: 2 })).toEqual(expected.slice(0, 2))
    }
    expect(warnings).toEqual([])
    await store.close()
  }
})

test('a change counts when its line is in the log, and every line carries one revision', async () => {
  const path = await directoryWith(changesTo(3))
  const lines = (await readFile(join(path, 'changes.log'), 'utf8')).split('\n')
  expect(lines.map((line) => line.slice(9))).toEqual([...changesTo(3).map((change) => JSON.stringify(change)), ''])
})

test('compaction empties the log', async () => {
  const path = await directoryWith(changesTo(10), 4)
  expect((await readFile(join(path, 'changes.log'), 'utf8')).split('\n')).toHaveLength(2 + 1)
  expect(JSON.parse(await readFile(join(path, 'state.json'), 'utf8'))).toMatchObject({
    format: 1,
    documents: documentsAt(8),
  })
})

test('files with collections have a format that stops an older version, from before the first one is in the log', async () => {
  const path = await temporaryDirectory()
  const written = async () => JSON.parse(await readFile(join(path, 'state.json'), 'utf8'))
  const one = { revision: 4, value: { pem: 'one' } }
  const first = (await openStore(path)).store
  for (const revision of [1, 2, 3]) await first.commit(changeFor(revision))
  expect(await written()).toMatchObject({ format: 1, documents: { revision: 0 } })
  await first.commit({ ...changeFor(4), collections: { certificates: { one } } })
  expect(await written()).toMatchObject({ format: 2, documents: documentsAt(3) })
  await first.close()
  // Which folds its log after each change.
  const second = (await openStore(path, 1)).store
  expect(second.documents()).toEqual({ ...documentsAt(4), collections: { certificates: { one } } })
  await second.commit({ ...changeFor(5), collections: { certificates: { one: null } } })
  await second.close()
  expect(await written()).toMatchObject({ format: 1, documents: documentsAt(5) })
  const third = (await openStore(path)).store
  await third.commit({ ...changeFor(6), collections: { certificates: { one } } })
  expect(await written()).toMatchObject({ format: 2, documents: documentsAt(5) })
  await third.close()
  const last = await openStore(path)
  expect(last.store.documents()).toEqual({ ...documentsAt(6), collections: { certificates: { one } } })
  expect(last.warnings).toEqual([])
  await last.store.close()
})

test('of two commits that race for a revision exactly one is made', async () => {
  const { store } = await openStore(await temporaryDirectory())
  const outcomes = await Promise.all([store.commit(changeFor(1, 'shop')), store.commit(changeFor(1, 'blog'))])
  expect(outcomes).toEqual(['committed', 'stale'])
  expect(Object.keys(store.documents().services)).toEqual(['shop'])
  expect(await store.commit(changeFor(3))).toBe('stale')
  expect(await store.commit(changeFor(2))).toBe('committed')
  await store.close()
})

test('the feed delivers every change in order, before the commit resolves, until the listener unsubscribes', async () => {
  const { store } = await openStore(await temporaryDirectory(), 2)
  const heard: unknown[] = []
  const stop = store.subscribe((documents, change) => heard.push(change?.revision, documents))
  const commits = changesTo(4).map((change) => store.commit(change).then(() => heard.push(`${change.revision} done`)))
  await Promise.all([...commits, store.commit(changeFor(9))])
  stop()
  await store.commit(changeFor(5))
  expect(heard).toEqual([1, 2, 3, 4].flatMap((revision) => [revision, documentsAt(revision), `${revision} done`]))
  await store.close()
})

test('a listener that throws fails neither the commit nor other listeners; its error surfaces as uncaught', async () => {
  const path = await temporaryDirectory()
  const script = `
    const { EmbeddedStore } = await import(process.argv[1])
    const store = new EmbeddedStore({ path: process.argv[2] })
    process.on('uncaughtException', (error) => console.log(error.message))
    await store.open()
    store.subscribe(() => { throw new Error('a bug') })
    store.subscribe((_, change) => console.log('heard ' + change.revision))
    console.log(await store.commit(JSON.parse(process.argv[3])))
    await store.close()`
  const embedded = new URL('../../src/store/embedded/embedded-store.ts', import.meta.url).href
  const command = ['--input-type=module', '--eval', script, embedded, path, JSON.stringify(changeFor(1))]
  const { stdout } = await promisify(execFile)(process.execPath, command)
  expect(stdout.trim().split('\n').toSorted()).toEqual(['a bug', 'committed', 'heard 1'])
})

test('a change the next start would refuse is not written', async () => {
  const path = await temporaryDirectory()
  const { store } = await openStore(path)
  const malformed = { ...changeFor(1), services: { shop: { ...changeFor(1, 'blog').services.blog } } }
  await expect(store.commit(malformed as unknown as Change)).rejects.toThrow(TypeError)
  expect(await store.commit(changeFor(1))).toBe('committed')
  await store.close()
})

test('close waits for earlier commits; later ones fail as unavailable', async () => {
  const path = await temporaryDirectory()
  const { store } = await openStore(path, 2)
  const before = changesTo(4).map((change) => store.commit(change))
  const closed = store.close()
  const after = store.commit(changeFor(5))
  await expect(after).rejects.toThrow(StoreUnavailable)
  expect(await Promise.all(before)).toEqual(Array(4).fill('committed'))
  await closed
  await store.close()
  const { store: next } = await openStore(path)
  expect(next.documents()).toEqual(documentsAt(4))
  await next.close()
})

test('of a service the newest 1,000 entries are kept', async () => {
  const path = await temporaryDirectory()
  const { store } = await openStore(path, 1)
  const [entry] = changeFor(1, 'shop').history
  const history = Array.from({ length: 700 }, (_, index) => ({ ...entry, action: `a${index}` }) as HistoryEntry)
  for (const revision of [1, 2]) await store.commit({ ...changeFor(revision), history })
  const kept = [...history, ...history].slice(-1_000).toReversed()
  expect(await store.history({ service: 'shop', limit: 5_000 })).toEqual(kept)
  await store.close()
  const { store: next } = await openStore(path)
  expect(await next.history({ service: 'shop', limit: 5_000 })).toEqual(kept)
  await next.close()
})

const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('commit' as const), name: fc.constantFrom(...NAMES) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stale' as const), off: fc.constantFrom(-1, 0, 2, 3) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('reopen' as const), compactAfter: fc.integer({ min: 1, max: 6 }) }),
  },
)

test('whatever is committed and reopened, in whatever order, equals a model in memory', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands) => {
      const path = await temporaryDirectory()
      let { store } = await openStore(path, 3)
      let model = EMPTY_DOCUMENTS
      const history: HistoryEntry[] = []
      for (const step of commands) {
        if (step.do === 'commit') {
          const change = changeFor(model.revision + 1, step.name)
          expect(await store.commit(change)).toBe('committed')
          model = applyChange(model, change)
          history.unshift(...change.history)
        } else if (step.do === 'stale') {
          expect(await store.commit(changeFor(model.revision + step.off))).toBe('stale')
        } else {
          await store.close()
          store = (await openStore(path, step.compactAfter)).store
        }
        expect(store.documents()).toEqual(model)
        for (const service of NAMES) {
          const expected = history.filter((entry) => entry.service === service)
          expect(await store.history({ service, limit: 100 })).toEqual(expected)
        }
      }
      await store.close()
    }),
    { numRuns: 60, seed: 20260715 },
  )
})
