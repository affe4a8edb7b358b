import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import {
  applyChange,
  type Change,
  type Documents,
  EMPTY_DOCUMENTS,
  type HistoryEntry,
  type JsonObject,
} from '../../model/state.ts'
import { Answers } from '../answers.ts'
import { Feed, surface } from '../feed.ts'
import { makeDirectory } from '../files.ts'
import { History } from '../history.ts'
import { readSnapshot, writeSnapshot } from '../snapshot.ts'
import {
  type CommitOutcome,
  type HistoryQuery,
  type Store,
  type StoreCounts,
  StoreInUse,
  type StoreListener,
  type StoreStatus,
  StoreUnavailable,
  StoreUnusable,
} from '../store.ts'
import { Journal } from './journal.ts'
import { DirectoryLock } from './lock.ts'

export interface EmbeddedOptions {
  /** Directory of the files; created when missing. */
  readonly path: string
  /** How long to wait for whoever has the directory and may be about to end, ms; 0 unless given. */
  readonly patienceMs?: number
  /** The log is folded into a new snapshot once it holds this many changes or bytes. */
  readonly compactAfter?: { readonly changes: number; readonly bytes: number }
  /** Told what somebody should know though no caller failed by it. */
  readonly warn?: (message: string) => void
}

const LOCK_RETRY_MS = 50

interface Opened {
  readonly lock: DirectoryLock
  readonly journal: Journal
}

/**
 * The state of one Cutover in the files of one directory: `state.json`, a snapshot, and `changes.log`, every change
 * since. A change counts once its line in the log is on the disk; kill -9 at any moment leaves the state before it or
 * after it. Commits are done one after the other: a commit must name the revision after the one it was decided on,
 * so there are never two to be written together.
 */
export class EmbeddedStore implements Store {
  readonly #path: string
  readonly #snapshot: string
  readonly #patienceMs: number
  readonly #compactAfter: { readonly changes: number; readonly bytes: number }
  readonly #warn: (message: string) => void
  readonly #feed = new Feed()
  readonly #answers = new Answers()
  #opened: Opened | undefined
  #documents = EMPTY_DOCUMENTS
  #history = new History()
  #queue: Promise<unknown> = Promise.resolve()
  /** No compaction before this revision: after one that failed, the next is not due at once. */
  #compactFrom = 0

  constructor(options: EmbeddedOptions) {
    this.#path = resolve(options.path)
    this.#snapshot = join(this.#path, 'state.json')
    this.#patienceMs = options.patienceMs ?? 0
    this.#compactAfter = options.compactAfter ?? { changes: 1_000, bytes: 4 << 20 }
    this.#warn = options.warn ?? ((message) => process.emitWarning(message, 'CutoverStore'))
  }

  async open(): Promise<Documents> {
    try {
      await makeDirectory(this.#path)
      const lock = await this.#acquire(performance.now() + this.#patienceMs)
      try {
        await this.#load(lock)
      } catch (error) {
        await lock.release()
        throw error
      }
    } catch (error) {
      if (error instanceof StoreUnusable) throw error
      const problem = error instanceof Error ? error.message : String(error)
      throw new StoreUnusable(
        `${this.#path} cannot be used as the store's directory: ${problem}. ` +
          'Put that right, or set store.path to a directory that Cutover may read and write',
        { cause: error },
      )
    }
    return this.#documents
  }

  /** `until`: monotonic ms. */
  async #acquire(until: number): Promise<DirectoryLock> {
    for (;;) {
      try {
        return await DirectoryLock.acquire(this.#path)
      } catch (error) {
        if (!(error instanceof StoreInUse) || performance.now() > until) throw error
        await setTimeout(LOCK_RETRY_MS)
      }
    }
  }

  documents(): Documents {
    return this.#documents
  }

  /** Nobody else writes here. */
  async refresh(): Promise<void> {}

  commit(change: Change): Promise<CommitOutcome> {
    const outcome = this.#queue.then(() => this.#commit(change))
    this.#queue = outcome.then(
      () => this.#compactWhenDue().catch(surface),
      () => undefined,
    )
    return outcome
  }

  subscribe(listener: StoreListener): () => void {
    return this.#feed.subscribe(listener)
  }

  /** Its files are on this machine: what goes wrong there is told to whoever writes. */
  status(): StoreStatus {
    return { up: true }
  }

  onStatus(): void {
    // It does not change.
  }

  counts(): StoreCounts {
    return { reloads: 0, lostRevisions: 0, restores: 0 }
  }

  async remember(key: string, answer: JsonObject): Promise<void> {
    this.#answers.set(key, answer)
  }

  async recall(key: string): Promise<JsonObject | null> {
    return this.#answers.get(key)
  }

  async history(query: HistoryQuery): Promise<readonly HistoryEntry[]> {
    return this.#history.newest(query)
  }

  /** Waits for the commits that were asked for before, and lets the directory go. */
  close(): Promise<void> {
    const closed = this.#queue.then(async () => {
      const opened = this.#opened
      this.#opened = undefined
      await opened?.journal.close()
      await opened?.lock.release()
    })
    this.#queue = closed.catch(() => undefined)
    return closed
  }

  async #load(lock: DirectoryLock): Promise<void> {
    const snapshot = await readSnapshot(this.#snapshot)
    const start = snapshot?.documents ?? EMPTY_DOCUMENTS
    const file = join(this.#path, 'changes.log')
    const { journal, changes, torn } = await Journal.open(file, start.revision)
    this.#history = new History(snapshot?.history)
    for (const change of changes) this.#history.record(change)
    this.#documents = changes.reduce((documents, change) => applyChange(documents, change), start)
    this.#opened = { lock, journal }
    if (torn > 0) this.#warn(`${file}: dropped ${torn} bytes of a last change that was never completed`)
    // From the first day there is a snapshot, for it is what tells an older Cutover to keep its hands off a newer log.
    if (snapshot === undefined) await this.#compact(this.#opened)
  }

  async #commit(change: Change): Promise<CommitOutcome> {
    if (this.#opened === undefined) throw new StoreUnavailable(`the store ${this.#path} is not open`)
    if (change.revision !== this.#documents.revision + 1) return 'stale'
    await this.#opened.lock.check()
    await this.#opened.journal.append(change)
    this.#documents = applyChange(this.#documents, change)
    this.#history.record(change)
    this.#feed.tell(this.#documents, change)
    return 'committed'
  }

  async #compactWhenDue(): Promise<void> {
    if (this.#opened === undefined || this.#documents.revision < this.#compactFrom) return
    const { journal } = this.#opened
    const { changes, bytes } = this.#compactAfter
    if (journal.changes >= changes || journal.bytes >= bytes) await this.#compact(this.#opened)
  }

  /**
   * Folds the log into the snapshot. The snapshot is in place before the log is emptied; a log that was not emptied
   * holds revisions the snapshot has, and the next start passes over them.
   */
  async #compact({ lock, journal }: Opened): Promise<void> {
    const documents = this.#documents
    try {
      await lock.check()
      await writeSnapshot(this.#snapshot, { documents, history: this.#history.entries(documents) })
      await journal.clear()
    } catch (error) {
      this.#compactFrom = documents.revision + this.#compactAfter.changes
      const problem = error instanceof Error ? error.message : String(error)
      this.#warn(`${this.#snapshot} could not be renewed, the log goes on growing: ${problem}`)
    }
  }
}
