import { once } from 'node:events'
import { cpSync } from 'node:fs'
import { cp, readdir, readFile, rm, stat, truncate, unlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { type Snapshot, StoreUnwritable, takesChanges } from '../../src/store/store.ts'
import { until } from '../support/until.ts'
import { changeFor, changesTo, documentsAt } from './changes.ts'
import { copyOf, directoryWith, kill, openStore, startCommitter, temporaryDirectory } from './directory.ts'

/** Often enough for a test not to wait long. */
const CHECK_MS = 100

async function openedAt(revision: number) {
  const path = join(await temporaryDirectory(), 'data')
  const { store, warnings } = await openStore(path, 1_000, CHECK_MS)
  onTestFinished(() => store.close())
  for (const change of changesTo(revision)) await store.commit(change)
  return { path, store, warnings }
}

/** What a process that starts on a copy of the directory finds, as after kill -9. */
async function foundBy(path: string): Promise<object> {
  const copy = await copyOf(path)
  for (const name of await readdir(copy)) if (name.startsWith('lock-')) await unlink(join(copy, name))
  const { store } = await openStore(copy)
  const history = await store.history({ service: 'shop', limit: 1_000 })
  await store.close()
  return { documents: store.documents(), history: history.length }
}

/** Ways in which files may be changed from outside under a running Cutover. */
const HARM: Readonly<Record<string, (path: string, older: string) => Promise<unknown>>> = {
  'the folder was removed': (path) => rm(path, { recursive: true, maxRetries: 5, retryDelay: 10 }),
  'the log was removed': (path) => unlink(join(path, 'changes.log')),
  'the snapshot was removed': (path) => unlink(join(path, 'state.json')),
  'the log was emptied': (path) => truncate(join(path, 'changes.log')),
  'the log was cut short': async (path) => {
    const file = join(path, 'changes.log')
    await truncate(file, (await stat(file)).size - 5)
  },
  'the snapshot was overwritten': (path) => writeFile(join(path, 'state.json'), 'nonsense'),
  'an older copy took its place': async (path, older) => {
    // A file may be written again in the middle of it.
    await rm(path, { recursive: true, maxRetries: 5, retryDelay: 10 })
    await cp(older, path, { recursive: true })
  },
  'the lock was removed': async (path) => {
    for (const name of await readdir(path)) if (name.startsWith('lock-')) await unlink(join(path, name))
  },
}

for (const [what, harm] of Object.entries(HARM)) {
  test(`${what}: the next change is made all the same, and nothing before it is lost`, async () => {
    const { path, store } = await openedAt(3)
    const older = await copyOf(path)
    for (const revision of [4, 5]) await store.commit(changeFor(revision))
    await harm(path, older)
    expect(await store.commit(changeFor(6))).toBe('committed')
    expect(await foundBy(path)).toMatchObject({ documents: documentsAt(6) })
    expect(takesChanges(store)).toBe(true)
  })

  test(`${what}: it is put right without a change, too`, async () => {
    const { path, store, warnings } = await openedAt(3)
    const older = await copyOf(path)
    for (const revision of [4, 5]) await store.commit(changeFor(revision))
    const history = (await store.history({ service: 'shop', limit: 1_000 })).length
    await harm(path, older)
    await until(async () => (await readdir(path).catch(() => [])).some((name) => name.startsWith('lock-')))
    if (what !== 'the lock was removed') {
      await until(() => warnings.length > 0)
      expect(warnings[0]).toMatch(
        /were removed, replaced or damaged from outside Cutover: revision 5 was written again/,
      )
    }
    // It may have been looked at in the middle of a copy, and is looked at again.
    const wanted = { documents: documentsAt(5), history }
    await until(async () => isDeepStrictEqual(await foundBy(path).catch(() => null), wanted))
  })
}

test("files put in place of the store's files are kept as copies", async () => {
  const { path, store, warnings } = await openedAt(2)
  await writeFile(join(path, 'state.json'), 'nonsense')
  await store.commit(changeFor(3))
  expect(await readFile(join(path, 'state.json.replaced'), 'utf8')).toBe('nonsense')
  expect(warnings[0]).toContain(`${join(path, 'state.json.replaced')}`)
})

test('newer files of another process are not overwritten until the operator moves them away', async () => {
  const { path, store } = await openedAt(2)
  const other = await directoryWith(changesTo(9))
  // In one go: the store looks at its files each second.
  for (const file of ['state.json', 'changes.log']) cpSync(join(other, file), join(path, file))
  const refused = await store.commit(changeFor(3)).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(StoreUnwritable)
  expect(String(refused)).toMatch(/holds revision 9 of another process.*revision 2.*mv .*state\.json/)
  expect(await foundBy(path)).toMatchObject({ documents: documentsAt(9) })
  for (const file of ['state.json', 'changes.log']) await unlink(join(path, file))
  await until(() => takesChanges(store))
  expect(await store.commit(changeFor(3))).toBe('committed')
  expect(await foundBy(path)).toMatchObject({ documents: documentsAt(3) })
})

test('a directory taken over by another process is left alone and reported until that process is gone', async () => {
  const { path, store } = await openedAt(2)
  const [own = ''] = (await readdir(path)).filter((name) => name.startsWith('lock-'))
  // As one in another container does it, to which we look dead, and which looks dead to us.
  await writeFile(join(path, 'lock-999999999'), '')
  await unlink(join(path, own))
  await until(() => !takesChanges(store))
  expect(store.troubles()).toMatchObject([
    { stopsWrites: true, detail: expect.stringMatching(/another process has taken over .* \(lock-999999999\)/) },
  ])
  await expect(store.commit(changeFor(3))).rejects.toThrow(/another process has taken/)
  expect((await readdir(path)).filter((name) => name.startsWith('lock-'))).toEqual(['lock-999999999'])
  await unlink(join(path, 'lock-999999999'))
  await until(() => takesChanges(store))
  expect(await store.commit(changeFor(3))).toBe('committed')
})

test('files that were only touched are not rewritten', async () => {
  const { path, store } = await openedAt(2)
  await utimes(join(path, 'changes.log'), new Date(), new Date())
  await store.commit(changeFor(3))
  expect(store.counts().restores).toBe(0)
})

/** The state known to the previous process of this instance. */
const KNOWN: Snapshot = {
  documents: documentsAt(5),
  history: changesTo(5).flatMap(({ history }) => history),
}

/** A store that begins with what is known. */
async function resume(path: string) {
  const told: string[] = []
  const store = new EmbeddedStore({
    path,
    known: KNOWN,
    checkMs: CHECK_MS,
    tell: (_level, message) => told.push(message),
  })
  onTestFinished(() => store.close())
  await store.open()
  return { store, told }
}

const LOST: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  'has no folder': async () => undefined,
  'finds an older state': (path) => fill(path, 3),
  'finds a damaged log': async (path) => {
    await fill(path, 5)
    await writeFile(join(path, 'changes.log'), 'nonsense\n')
  },
  'finds a damaged snapshot': async (path) => {
    await fill(path, 5)
    await writeFile(join(path, 'state.json'), '')
  },
}

async function fill(path: string, revision: number): Promise<void> {
  await cp(await directoryWith(changesTo(revision)), path, { recursive: true })
}

test.each(Object.keys(LOST))(
  'a process that %s where one before it knew more goes on with that, and writes it',
  async (what) => {
    const path = join(await temporaryDirectory(), 'data')
    await LOST[what]?.(path)
    const { store, told } = await resume(path)
    expect(store.documents()).toEqual(documentsAt(5))
    expect(told[0]).toMatch(/older when this process started: revision 5 was written again/)
    expect(takesChanges(store)).toBe(true)
    expect(await foundBy(path)).toMatchObject({ documents: documentsAt(5) })
    expect(await store.commit(changeFor(6))).toBe('committed')
  },
)

test('a process takes a newer state on the disk than its predecessor knew', async () => {
  const path = join(await temporaryDirectory(), 'data')
  await fill(path, 6)
  const { store } = await resume(path)
  expect(store.documents()).toEqual(documentsAt(6))
})

test("a process whose directory is in use runs on its predecessor's state until the directory is free", async () => {
  const path = join(await temporaryDirectory(), 'data')
  const { child, lines } = startCommitter(path)
  await once(lines, 'line')
  const { store } = await resume(path)
  expect(store.documents()).toEqual(documentsAt(5))
  expect(store.troubles()[0]?.detail).toContain(`in use by process ${child.pid}`)
  await expect(store.commit(changeFor(6))).rejects.toThrow(/in use by process/)
  await kill(child)
  await until(() => takesChanges(store))
  const { revision } = store.documents()
  expect(revision).toBeGreaterThanOrEqual(5)
  expect(await store.commit(changeFor(revision + 1))).toBe('committed')
})

test('files of a newer Cutover are not overwritten', async () => {
  const path = join(await temporaryDirectory(), 'data')
  await fill(path, 5)
  const file = join(path, 'state.json')
  await writeFile(file, (await readFile(file, 'utf8')).replace('"format":1', '"format":3'))
  const { store } = await resume(path)
  expect(store.documents()).toEqual(documentsAt(5))
  expect(store.troubles()[0]?.detail).toContain('written by a newer Cutover')
  expect(await readFile(file, 'utf8')).toContain('"format":3')
})
