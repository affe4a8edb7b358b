import { execFile } from 'node:child_process'
import type { FileHandle } from 'node:fs/promises'
import { mkdir, open, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { OutcomeUnknown } from '../../src/store/store.ts'
import { changeFor, changesTo, documentsAt } from './changes.ts'
import { attempt, directoryWith, openStore, temporaryDirectory } from './directory.ts'

/** Runs full-disk.ts with files limited to 64 blocks (32 or 64 KiB, as the shell counts), where writing more fails. */
async function onFullDisk(path: string, compactAfter: number) {
  const script = fileURLToPath(new URL('full-disk.ts', import.meta.url))
  const command = ['-c', 'ulimit -f 64; exec "$0" "$@"', process.execPath, script, path, String(compactAfter)]
  return JSON.parse((await promisify(execFile)('/bin/sh', command)).stdout)
}

test('a change for which the disk has no room changes nothing; a smaller one after it is made', async () => {
  const path = await temporaryDirectory()
  const { failure, small, documents } = await onFullDisk(path, 1_000)
  expect(failure).toMatchObject({ name: 'StoreUnwritable', message: expect.stringContaining('EFBIG') })
  expect(failure.message).toContain(`${path} cannot be written`)
  expect(failure.revision).toBeGreaterThan(5)
  expect(failure.told).toBe(failure.revision)
  expect(small).toBe('committed')
  const { store, warnings } = await openStore(path)
  expect(store.documents()).toEqual(documents)
  expect(warnings).toEqual([])
  await store.close()
})

test('a snapshot for which the disk has no room costs no change: the log continues, and the next attempt comes later', async () => {
  const path = await temporaryDirectory()
  const { failure, small, warnings, documents } = await onFullDisk(path, 4)
  expect(failure?.revision ?? 30).toBeGreaterThan(8)
  expect(small).toBe('committed')
  expect(warnings[0]).toMatch(/state\.json could not be renewed, so the log keeps growing: EFBIG/)
  expect(warnings.length).toBeLessThanOrEqual(documents.revision / 4)
  const { store } = await openStore(path, 1)
  expect(store.documents()).toEqual(documents)
  await store.close()
})

test.runIf(process.platform === 'linux')(
  'a log that cannot be made durable takes no change; another file is begun for the next one',
  async () => {
    const path = await directoryWith(changesTo(2), 2)
    // Takes every write, and refuses fsync.
    await rm(join(path, 'changes.log'))
    await symlink('/dev/null', join(path, 'changes.log'))
    const { store } = await openStore(path)
    const told: number[] = []
    store.subscribe(({ revision }) => told.push(revision))
    const failure = await store.commit(changeFor(3)).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(OutcomeUnknown)
    expect(String(failure)).toMatch(/changes\.log failed \(EINVAL/)
    expect(store.documents()).toEqual(documentsAt(2))
    expect(told).toEqual([])
    expect(await store.commit(changeFor(3))).toBe('committed')
    await store.close()
    const reopened = await openStore(path)
    expect(reopened.store.documents()).toEqual(documentsAt(3))
    await reopened.store.close()
  },
)

test('a log whose sync failed once is never written again, even if the disk works', async () => {
  const path = await directoryWith(changesTo(2), 2)
  const log = join(path, 'changes.log')
  const { store } = await openStore(path)
  const { ino } = await stat(log)
  await failNextDatasync(path)
  await expect(store.commit(changeFor(3))).rejects.toThrow(/changes\.log failed \(EIO/)
  expect(store.documents()).toEqual(documentsAt(2))
  expect(await store.commit(changeFor(3))).toBe('committed')
  expect((await stat(log)).ino).not.toBe(ino)
  await store.close()
  const reopened = await openStore(path)
  expect(reopened.store.documents()).toEqual(documentsAt(3))
  await reopened.store.close()
})

/** Has the next fdatasync of this process fail as that of a disk which is dying does, and those after it succeed. */
async function failNextDatasync(path: string): Promise<void> {
  const handle = await open(join(path, 'LOCK-of-the-test'), 'w')
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const { datasync } = prototype
  prototype.datasync = async () => {
    prototype.datasync = datasync
    throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
  }
}

test('a path that cannot be a directory is refused with advice, and leaves no lock behind', async () => {
  const path = await temporaryDirectory()
  await writeFile(join(path, 'file'), '')
  expect(await attempt(join(path, 'file'))).toMatch(/cannot be used as the store's directory: E.*set store\.path/)
  await mkdir(join(path, 'changes.log'))
  expect(await attempt(path)).toContain('EISDIR')
  expect(await readdir(path)).toEqual(['changes.log', 'file'])
})
