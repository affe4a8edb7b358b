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
import { Feed } from '../feed.ts'
import { History } from '../history.ts'
import { type LeaseTake, StoreLeases } from '../leases.ts'
import { rethrowAsync } from '../rethrow-async.ts'
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
import { EmbeddedEvents } from './embedded-events.ts'
import { HeldDirectory } from './held-directory.ts'
import { LeaseTimes } from './lease-times.ts'

export interface EmbeddedOptions {
  /** Directory of the files; created if missing. */
  readonly path: string
  /** Max time to wait for another process that has the directory and may be about to end, ms; default 0. */
  readonly patienceMs?: number
  /** Size of the log, in changes or bytes, from which it is folded into a new snapshot. */
  readonly compactAfter?: { readonly changes: number; readonly bytes: number }
  /** The state of the previous process of this instance; the store never starts from an older one. */
  readonly known?: Snapshot | null
  readonly tell?: Tell
  /** Interval of checks whether the files are as this process left them, ms; default 1,000. */
  readonly checkMs?: number
}

/** Max time between two writes, ms: after it, a test write finds out whether the disk still takes any. */
const PROBE_MS = 5_000

/**
 * Keeps the state of one Cutover in the files of one directory: `state.json`, a snapshot, and `changes.log`, every
 * change since. A change is committed once its line in the log is on the disk; kill -9 at any moment leaves the state
 * before it or after it. Commits run one after the other: each names the revision after the one it was decided on, so
 * there are never two that could be written together.
 *
 * Files that are removed, replaced or truncated from outside while the store is open are written again from memory, at
 * the next commit or within a second.
 */
export class EmbeddedStore implements Store {
  readonly leases: Leases
  readonly events: EmbeddedEvents
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
  /** First revision at which a compaction may run, so that one that failed is not repeated at once. */
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
    this.events = new EmbeddedEvents(join(this.#path, 'events.log'), this.#tell)
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
      // The workers still serve the known state, so this process goes on with it, and writes it when the disk works
      // again.
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

  /** Does nothing: no other process writes to this store. */
  async refresh(): Promise<void> {}

  snapshot(): Snapshot {
    const history = this.#history.newestOfEach(this.#documents, SNAPSHOT_HISTORY)
    return { documents: this.#documents, history }
  }

  commit(change: Change): Promise<CommitOutcome> {
    return this.#inTurn(() => this.#commit(change))
  }

  /** Runs `write` after all earlier writes. */
  #inTurn<T>(write: () => Promise<T>): Promise<T> {
    const outcome = this.#queue.then(write)
    this.#queue = outcome.then(
      () => this.#compactWhenDue().catch(rethrowAsync),
      () => undefined,
    )
    return outcome
  }

  subscribe(listener: StoreListener): () => void {
    return this.#feed.subscribe(listener)
  }

  /** Always up, since its files are on this machine; `troubles` tells what is wrong with them. */
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

  /** Waits for earlier commits, then releases the directory. */
  close(): Promise<void> {
    const closed = this.#queue.then(async () => {
      this.#isOpen = false
      clearTimeout(this.#timer)
      const held = this.#held
      this.#held = null
      await this.events.close()
      await held?.close()
    })
    this.#queue = closed.catch(() => undefined)
    return closed
  }

  /** Locks the directory and loads its state; if the known state is newer, writes that one instead. */
  async #take(patienceMs: number): Promise<void> {
    const held = await HeldDirectory.take(this.#path, patienceMs)
    let changes: readonly Change[] = []
    try {
      const known = this.#documents
      const found = await held.load().catch((error: unknown) => {
        const isReplaceable = error instanceof StoreUnusable && !(error instanceof NewerFormat)
        if (known.revision === 0 || !isReplaceable) throw error
        return null
      })
      if (found === null || found.documents.revision < known.revision) {
        const kept = await held.replace({ documents: known, history: this.#history.entries(known) })
        this.#restored('were gone, damaged or older when this process started', kept)
      } else {
        changes = found.changes
        this.#documents = found.documents
        this.#history = new History(found.history)
        if (found.torn > 0) {
          const log = join(this.#path, 'changes.log')
          this.#tell('warn', `${log}: dropped ${found.torn} bytes of a last change that was never completed`)
        }
        // A snapshot exists from the start: its format keeps an older Cutover from reading a log that is too new for
        // it.
        if (!found.hasSnapshot) await this.#compact(held)
      }
    } catch (error) {
      await held.close()
      throw error
    }
    this.#held = held
    await this.events.open(changes, this.#documents.revision)
  }

  /** Returns the directory after undoing what other programs did to its files. Throws the reason if that fails. */
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
    if (written) this.#restored('were removed, replaced or damaged from outside Cutover', kept)
    return held
  }

  async #commit(change: Change): Promise<CommitOutcome> {
    if (!this.#isOpen) throw new StoreUnavailable(`the store ${this.#path} is not open`)
    if (change.revision !== this.#documents.revision + 1) return 'stale'
    try {
      const held = await this.#ready()
      // The directory may have held a newer state, which is loaded now.
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
    await this.events.record(change)
    this.#feed.tell(this.#documents, change)
    return 'committed'
  }

  async #takeLease(change: Change, take: LeaseTake): Promise<CommitOutcome | 'held'> {
    // The holder of the lease is known only for the documents that the change was decided on.
    if (change.revision !== this.#documents.revision + 1) return 'stale'
    if (!this.#leaseTimes.mayTake(take)) return 'held'
    const outcome = await this.#commit(change)
    if (outcome === 'committed') this.#leaseTimes.begin(take.name, take.to, take.ttlMs)
    return outcome
  }

  #checkLater(): void {
    this.#timer = setTimeout(() => {
      this.#queue = this.#queue.then(() => this.#check()).catch(rethrowAsync)
    }, this.#checkMs).unref()
  }

  /** Checks whether a change could be made, so that operators learn of trouble before they need one. */
  async #check(): Promise<void> {
    if (!this.#isOpen) return
    try {
      const held = await this.#ready()
      await this.events.check()
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
      this.#tell('warn', `${this.#path}/state.json could not be renewed, so the log keeps growing: ${problem}`)
    }
  }

  #whole(): Snapshot {
    return { documents: this.#documents, history: this.#history.entries(this.#documents) }
  }

  #restored(how: string, kept: readonly string[]): void {
    this.#restores++
    const copies = kept.length === 0 ? '' : `; the files found there are kept as ${kept.join(' and ')}`
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
        'Correct that, or set store.path to a directory that Cutover may read and write',
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
