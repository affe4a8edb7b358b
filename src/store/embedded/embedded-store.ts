import { join, resolve } from 'node:path'
import {
  applyChange,
  type Change,
  type Documents,
  EMPTY_DOCUMENTS,
  type HistoryEntry,
  type JsonObject,
} from '../../model/state.ts'
import { Answers } from '../answers.ts'
import { explainDisk, isDiskError } from '../disk-errors.ts'
import { Feed, surface } from '../feed.ts'
import { History } from '../history.ts'
import { type LeaseTake, StoreLeases } from '../leases.ts'
import { NewerFormat } from '../snapshot.ts'
import {
  type CommitOutcome,
  type HistoryQuery,
  type Leases,
  OutcomeUnknown,
  SNAPSHOT_HISTORY,
  type Snapshot,
  type Store,
  type StoreCounts,
  type StoreListener,
  type StoreStatus,
  type StoreTrouble,
  StoreUnavailable,
  StoreUnusable,
  StoreUnwritable,
} from '../store.ts'
import { sparing, type Tell } from '../tell.ts'
import { Troubles } from '../troubles.ts'
import { HeldDirectory } from './held-directory.ts'
import { LeaseTimes } from './lease-times.ts'

export interface EmbeddedOptions {
  /** Directory of the files; created when missing. */
  readonly path: string
  /** How long to wait for whoever has the directory and may be about to end, ms; 0 unless given. */
  readonly patienceMs?: number
  /** The log is folded into a new snapshot once it holds this many changes or bytes. */
  readonly compactAfter?: { readonly changes: number; readonly bytes: number }
  /** What a process of this instance knew before this one: the state is never older than that. */
  readonly known?: Snapshot | null
  readonly tell?: Tell
  /** How often the files are compared with what was left there, ms; a second unless given. */
  readonly checkMs?: number
}

/** How often it is tried whether the disk takes a write, where there was none. */
const PROBE_MS = 5_000

/**
 * The state of one Cutover in the files of one directory: `state.json`, a snapshot, and `changes.log`, every change
 * since. A change counts once its line in the log is on the disk; kill -9 at any moment leaves the state before it or
 * after it. Commits are done one after the other: a commit must name the revision after the one it was decided on,
 * so there are never two to be written together.
 *
 * Files that somebody removes, replaces or cuts short while the store is open are written again from memory, at the
 * next commit or within a second.
 */
export class EmbeddedStore implements Store {
  readonly leases: Leases
  readonly #path: string
  readonly #patienceMs: number
  readonly #compactAfter: { readonly changes: number; readonly bytes: number }
  readonly #checkMs: number
  readonly #tell: Tell
  readonly #feed = new Feed()
  readonly #answers = new Answers()
  readonly #troubles: Troubles
  readonly #listeners = new Set<(status: StoreStatus) => void>()
  #held: HeldDirectory | null = null
  #isOpen = false
  #documents: Documents = EMPTY_DOCUMENTS
  #history: History
  #queue: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  /** Monotonic ms. */
  #writtenAt = 0
  /** No compaction before this revision: after one that failed, the next is not due at once. */
  #compactFrom = 0
  #restores = 0
  readonly #leaseTimes = new LeaseTimes()

  constructor(options: EmbeddedOptions) {
    const { path, patienceMs = 0, compactAfter = { changes: 1_000, bytes: 4 << 20 } } = options
    const { known = null, checkMs = 1_000 } = options
    this.#path = resolve(path)
    this.#patienceMs = patienceMs
    this.#compactAfter = compactAfter
    this.#checkMs = checkMs
    this.#tell = sparing(options.tell ?? ((_level, message) => process.emitWarning(message, 'CutoverStore')))
    this.#troubles = new Troubles(this.#tell, () => this.#troublesChanged())
    this.#documents = known?.documents ?? EMPTY_DOCUMENTS
    this.#history = new History(known?.history)
    this.leases = new StoreLeases({
      documents: () => this.#documents,
      nowMs: () => this.nowMs(),
      commit: (change) => this.commit(change),
      take: (change, take) => this.#inTurn(() => this.#takeLease(change, take)),
      renew: async (name, token, ttlMs) => this.#leaseTimes.renew(name, token, ttlMs),
    })
  }

  async open(): Promise<Documents> {
    try {
      await this.#take(this.#patienceMs)
    } catch (error) {
      if (!isExpected(error)) throw error
      // Its workers go on with what they have, and this process knows that: it can be written when the path is well again.
      if (this.#documents.revision === 0) throw this.#unusable(error)
      this.#troubles.set('writes', this.#explain(error))
    }
    this.#isOpen = true
    this.#checkLater()
    return this.#documents
  }

  documents(): Documents {
    return this.#documents
  }

  nowMs(): number {
    return Date.now()
  }

  /** Nobody else writes here. */
  async refresh(): Promise<void> {}

  snapshot(): Snapshot {
    const history = this.#history.newestOfEach(this.#documents, SNAPSHOT_HISTORY)
    return { documents: this.#documents, history }
  }

  commit(change: Change): Promise<CommitOutcome> {
    return this.#inTurn(() => this.#commit(change))
  }

  /** Writes after what was to be written before. */
  #inTurn<T>(write: () => Promise<T>): Promise<T> {
    const outcome = this.#queue.then(write)
    this.#queue = outcome.then(
      () => this.#compactWhenDue().catch(surface),
      () => undefined,
    )
    return outcome
  }

  subscribe(listener: StoreListener): () => void {
    return this.#feed.subscribe(listener)
  }

  /** Its files are on this machine: it is never away, but for what `troubles` says. */
  status(): StoreStatus {
    return { up: true }
  }

  troubles(): readonly StoreTrouble[] {
    return this.#troubles.list()
  }

  onStatus(listener: (status: StoreStatus) => void): void {
    this.#listeners.add(listener)
  }

  counts(): StoreCounts {
    return { reloads: 0, lostRevisions: 0, restores: this.#restores }
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
      this.#isOpen = false
      clearTimeout(this.#timer)
      const held = this.#held
      this.#held = null
      await held?.close()
    })
    this.#queue = closed.catch(() => undefined)
    return closed
  }

  /** Locks the directory and takes the state that is there, or writes the one that is known where that is newer. */
  async #take(patienceMs: number): Promise<void> {
    const held = await HeldDirectory.take(this.#path, patienceMs)
    try {
      const known = this.#documents
      const found = await held.load().catch((error: unknown) => {
        const isOurs = error instanceof StoreUnusable && !(error instanceof NewerFormat)
        if (known.revision === 0 || !isOurs) throw error
        return null
      })
      if (found === null || found.documents.revision < known.revision) {
        const kept = await held.replace({ documents: known, history: this.#history.entries(known) })
        this.#restored('were gone, damaged or older when this process started', kept)
      } else {
        this.#documents = found.documents
        this.#history = new History(found.history)
        if (found.torn > 0) {
          const log = join(this.#path, 'changes.log')
          this.#tell('warn', `${log}: dropped ${found.torn} bytes of a last change that was never completed`)
        }
        // From the first day there is a snapshot, for it is what tells an older Cutover to keep its hands off a newer log.
        if (!found.hasSnapshot) await this.#compact(held)
      }
    } catch (error) {
      await held.close()
      throw error
    }
    this.#held = held
  }

  /** The directory, which holds the known state: what others have done to it is undone. Throws why it cannot be. */
  async #ready(): Promise<HeldDirectory> {
    if (this.#held === null) {
      const before = this.#documents
      await this.#take(0)
      if (this.#documents.revision !== before.revision) this.#feed.tell(this.#documents, null)
    }
    const held = this.#held as HeldDirectory | null
    if (held === null) throw new TypeError('The directory was not taken')
    if (await held.isIntact()) return held
    const { written, kept } = await held.restore(this.#whole())
    if (written) this.#restored('were removed, replaced or damaged by somebody else', kept)
    return held
  }

  async #commit(change: Change): Promise<CommitOutcome> {
    if (!this.#isOpen) throw new StoreUnavailable(`the store ${this.#path} is not open`)
    if (change.revision !== this.#documents.revision + 1) return 'stale'
    try {
      const held = await this.#ready()
      // What was there instead may be newer.
      if (change.revision !== this.#documents.revision + 1) return 'stale'
      await held.append(change, () => this.#whole())
    } catch (error) {
      if (!isExpected(error)) throw error
      const detail = this.#explain(error)
      this.#troubles.set('writes', detail)
      throw error instanceof OutcomeUnknown ? error : new StoreUnwritable(detail, { cause: error })
    }
    this.#writtenAt = performance.now()
    this.#troubles.clear('writes')
    this.#documents = applyChange(this.#documents, change)
    this.#history.record(change)
    this.#feed.tell(this.#documents, change)
    return 'committed'
  }

  async #takeLease(change: Change, take: LeaseTake): Promise<CommitOutcome | 'held'> {
    // Who has the lease is known by the documents that the change was made on.
    if (change.revision !== this.#documents.revision + 1) return 'stale'
    if (!this.#leaseTimes.mayTake(take)) return 'held'
    const outcome = await this.#commit(change)
    if (outcome === 'committed') this.#leaseTimes.begin(take.name, take.to, take.ttlMs)
    return outcome
  }

  #checkLater(): void {
    this.#timer = setTimeout(() => {
      this.#queue = this.#queue.then(() => this.#check()).catch(surface)
    }, this.#checkMs).unref()
  }

  /** Finds out whether a change could be made, so that people know it before they need one. */
  async #check(): Promise<void> {
    if (!this.#isOpen) return
    try {
      const held = await this.#ready()
      const isDue = this.#troubles.get('writes') !== null || performance.now() - this.#writtenAt > PROBE_MS
      if (isDue) {
        await held.probe()
        this.#writtenAt = performance.now()
        this.#troubles.clear('writes')
      }
    } catch (error) {
      if (!isExpected(error)) throw error
      this.#troubles.set('writes', this.#explain(error))
    } finally {
      this.#checkLater()
    }
  }

  async #compactWhenDue(): Promise<void> {
    if (this.#held === null || this.#documents.revision < this.#compactFrom) return
    if (this.#held.isLogBeyond(this.#compactAfter)) await this.#compact(this.#held)
  }

  async #compact(held: HeldDirectory): Promise<void> {
    try {
      await held.compact(this.#whole())
    } catch (error) {
      this.#compactFrom = this.#documents.revision + this.#compactAfter.changes
      const problem = error instanceof Error ? error.message : String(error)
      this.#tell('warn', `${this.#path}/state.json could not be renewed, the log goes on growing: ${problem}`)
    }
  }

  #whole(): Snapshot {
    return { documents: this.#documents, history: this.#history.entries(this.#documents) }
  }

  #restored(how: string, kept: readonly string[]): void {
    this.#restores++
    const copies = kept.length === 0 ? '' : `; what was there is kept as ${kept.join(' and ')}`
    const { revision } = this.#documents
    this.#tell('warn', `the files in ${this.#path} ${how}: revision ${revision} was written again${copies}`)
  }

  #explain(error: Error): string {
    return isDiskError(error) ? explainDisk(error, this.#path) : error.message
  }

  #unusable(error: Error): StoreUnusable {
    if (error instanceof StoreUnusable) return error
    return new StoreUnusable(
      `${this.#path} cannot be used as the store's directory: ${error.message}. ` +
        'Put that right, or set store.path to a directory that Cutover may read and write',
      { cause: error },
    )
  }

  #troublesChanged(): void {
    for (const listener of this.#listeners) listener(this.status())
  }
}

/** Whether an error comes from the disk or from another process, and not from a bug. */
function isExpected(error: unknown): error is Error {
  return isDiskError(error) || error instanceof StoreUnavailable || error instanceof StoreUnusable
}
