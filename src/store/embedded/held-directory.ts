import { copyFile, open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { applyChange, type Change, EMPTY_DOCUMENTS } from '../../model/state.ts'
import { makeDirectory } from '../files.ts'
import {
  FORMAT_WITH_COLLECTIONS,
  FORMAT_WITHOUT_COLLECTIONS,
  NewerFormat,
  readSnapshot,
  writeSnapshot,
} from '../snapshot.ts'
import { type Snapshot, StoreInUse, StoreUnavailable, StoreUnusable } from '../store.ts'
import { Journal } from './journal.ts'
import { DirectoryLock } from './lock.ts'

const LOCK_RETRY_MS = 50
/** Size of a change of a small service. */
const PROBE_BYTES = 4_096

/** The contents of a store's directory. */
export interface LoadedDirectory extends Snapshot {
  /** The changes since the snapshot. */
  readonly changes: readonly Change[]
  readonly hasSnapshot: boolean
  /** Bytes of an unfinished last change, which was dropped. */
  readonly torn: number
}

/** The directory of a store, locked by this process: its lock, its snapshot and its log. */
export class HeldDirectory {
  readonly #path: string
  readonly #snapshot: string
  readonly #log: string
  readonly #lock: DirectoryLock
  #journal: Journal | null = null
  /** Identity of the snapshot file when this process last read or wrote it; null = there was none. */
  #snapshotIdentity: string | null = null
  /** The format of that file. */
  #format = FORMAT_WITHOUT_COLLECTIONS

  private constructor(path: string, lock: DirectoryLock) {
    this.#path = path
    this.#snapshot = join(path, 'state.json')
    this.#log = join(path, 'changes.log')
    this.#lock = lock
  }

  /**
   * Creates and locks the directory, waiting up to `patienceMs` for a process that has it. Throws StoreInUse, and
   * errors of the file system.
   */
  static async take(path: string, patienceMs: number): Promise<HeldDirectory> {
    const until = performance.now() + patienceMs
    await makeDirectory(path)
    for (;;) {
      try {
        return new HeldDirectory(path, await DirectoryLock.acquire(path))
      } catch (error) {
        if (!(error instanceof StoreInUse) || performance.now() > until) throw error
        await setTimeout(LOCK_RETRY_MS)
      }
    }
  }

  /** Reads the files and opens the log. Throws StoreUnusable if they are damaged, and errors of the file system. */
  async load(): Promise<LoadedDirectory> {
    const snapshot = await readSnapshot(this.#snapshot)
    const start = snapshot?.documents ?? EMPTY_DOCUMENTS
    const { journal, changes, torn } = await Journal.open(this.#log, start.revision)
    this.#journal = journal
    this.#format = snapshot?.format ?? FORMAT_WITHOUT_COLLECTIONS
    this.#snapshotIdentity = await identityOf(this.#snapshot)
    return {
      documents: changes.reduce((documents, change) => applyChange(documents, change), start),
      history: [...(snapshot?.history ?? []), ...changes.flatMap(({ history }) => history)],
      changes,
      hasSnapshot: snapshot !== undefined,
      torn,
    }
  }

  /** As `Journal.append`. `before` returns the state that the change is made on. */
  async append(change: Change, before: () => Snapshot): Promise<void> {
    // An older version must refuse to start before it reads a log whose collections it would drop.
    if (change.collections !== undefined && this.#format < FORMAT_WITH_COLLECTIONS) {
      await this.#writeSnapshot(before(), FORMAT_WITH_COLLECTIONS)
    }
    await this.#opened().append(change)
  }

  /** Whether the log has reached one of these sizes. */
  isLogBeyond({ changes, bytes }: { readonly changes: number; readonly bytes: number }): boolean {
    const journal = this.#opened()
    return journal.changes >= changes || journal.bytes >= bytes
  }

  /**
   * Folds the log into a snapshot. The snapshot is in place before the log is emptied; if the log is not emptied, the
   * next start skips the revisions that the snapshot contains. Throws errors of the file system.
   */
  async compact(snapshot: Snapshot): Promise<void> {
    await this.#writeSnapshot(snapshot)
    await this.#opened().clear()
  }

  /** Whether lock and files are as this process left them. */
  async isIntact(): Promise<boolean> {
    return (await this.#lock.isHeld()) && (await this.#areFilesIntact())
  }

  /**
   * Makes the directory hold `snapshot` again after it was removed, replaced or damaged from outside. Returns whether
   * the files were written again, and the paths of copies of the files they replaced. Throws StoreInUse or
   * StoreUnavailable if another process uses the directory now, and errors of the file system.
   */
  async restore(snapshot: Snapshot): Promise<{ readonly written: boolean; readonly kept: readonly string[] }> {
    await makeDirectory(this.#path)
    if (!(await this.#lock.isHeld())) await this.#lock.retake()
    if (await this.#areFilesIntact()) return { written: false, kept: [] }
    // A failed log is this process's own, and may hold a change that was never acknowledged: no copy is worth keeping.
    if (this.#journal?.isBroken === true) {
      await this.#write(snapshot)
      return { written: true, kept: [] }
    }
    const { revision } = snapshot.documents
    const there = await this.#revisionThere()
    if (there > revision) {
      throw new StoreUnavailable(
        `${this.#path} holds revision ${there} of another process, and this one is at revision ${revision}. ` +
          'Restart Cutover to go on with what is there, or move the files away, and this state will be written again: ' +
          `mv ${this.#snapshot} ${this.#snapshot}.other; mv ${this.#log} ${this.#log}.other`,
      )
    }
    return { written: true, kept: await this.replace(snapshot) }
  }

  /**
   * Replaces the files by `snapshot` and an empty log, durably, after copying them. Returns the paths of the copies.
   * Throws errors of the file system.
   */
  async replace(snapshot: Snapshot): Promise<readonly string[]> {
    const kept: string[] = []
    for (const file of [this.#snapshot, this.#log]) {
      if (await keep(file)) kept.push(`${file}.replaced`)
    }
    await this.#write(snapshot)
    return kept
  }

  /** Writes a small file and removes it again. Throws errors of the file system. */
  async probe(): Promise<void> {
    const file = join(this.#path, 'probe.tmp')
    const handle = await open(file, 'w', 0o600)
    try {
      await handle.writeFile(Buffer.alloc(PROBE_BYTES))
      await handle.datasync()
    } finally {
      await handle.close()
      await rm(file, { force: true })
    }
  }

  /** Releases the directory. */
  async close(): Promise<void> {
    await this.#journal?.close()
    await this.#lock.release()
  }

  #opened(): Journal {
    if (this.#journal === null) throw new TypeError('The directory was not loaded')
    return this.#journal
  }

  async #write(snapshot: Snapshot): Promise<void> {
    await this.#writeSnapshot(snapshot)
    const before = this.#journal
    this.#journal = await Journal.create(this.#log)
    await before?.close()
  }

  async #writeSnapshot(
    snapshot: Snapshot,
    format = snapshot.documents.collections === undefined ? FORMAT_WITHOUT_COLLECTIONS : FORMAT_WITH_COLLECTIONS,
  ): Promise<void> {
    await writeSnapshot(this.#snapshot, { ...snapshot, format })
    this.#format = format
    this.#snapshotIdentity = await identityOf(this.#snapshot)
  }

  async #areFilesIntact(): Promise<boolean> {
    if (this.#journal === null || !(await this.#journal.isIntact())) return false
    return this.#snapshotIdentity === (await identityOf(this.#snapshot))
  }

  /** The revision of the files in the directory; 0 if there are none or they are damaged. Throws NewerFormat. */
  async #revisionThere(): Promise<number> {
    try {
      const snapshot = await readSnapshot(this.#snapshot)
      const after = snapshot?.documents.revision ?? 0
      return (await Journal.read(this.#log, after)).at(-1)?.revision ?? after
    } catch (error) {
      if (error instanceof NewerFormat || !(error instanceof StoreUnusable)) throw error
      return 0
    }
  }
}

/** Identifies a file and its version: changes when the file is replaced or written. null = there is no such file. */
async function identityOf(file: string): Promise<string | null> {
  const found = await stat(file).catch(() => null)
  return found === null ? null : `${found.dev} ${found.ino} ${found.size} ${found.mtimeMs}`
}

/** Copies a file to `FILE.replaced`. Returns false if there is no such file. */
async function keep(file: string): Promise<boolean> {
  try {
    await copyFile(file, `${file}.replaced`)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}
