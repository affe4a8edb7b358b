import { countDocuments } from '../../model/collections.ts'
import type { Documents, HistoryEntry } from '../../model/state.ts'
import type { StoreCounts } from '../store.ts'
import { SNAPSHOT_HISTORY, StoreUnavailable } from '../store.ts'
import { sparing, type Tell } from '../tell.ts'
import type { Troubles } from '../troubles.ts'
import type { Availability } from './availability.ts'
import type { KnownState } from './known-state.ts'
import type { RedisConnection } from './redis-connection.ts'
import {
  Damaged,
  isReadable,
  keepingSame,
  type Loaded,
  lineageOf,
  Newer,
  NO_HEAD,
  type Probe,
  pairs,
  readChange,
} from './redis-documents.ts'
import { BROKEN, NotDone, REFUSED, writeRefusal } from './redis-errors.ts'
import type { Cursor } from './redis-feed.ts'
import type { RedisScripts } from './redis-scripts.ts'
import { RestorePace } from './restore-pace.ts'
import type { ServerClock } from './server-clock.ts'

/** Max interval of write checks while Redis refuses writes, ms. */
const TROUBLED_CHECK_MS = 1_000

/** Max time for a broken connection to come back, ms, before the store counts as away. */
const BLIP_MS = 300

const LOSES =
  'Redis loses it again and again. Make sure that maxmemory-policy is noeviction there, and that nothing else deletes keys of store.prefix'

interface SyncParts {
  readonly connection: RedisConnection
  readonly scripts: RedisScripts
  readonly known: KnownState
  readonly availability: Availability
  readonly clock: ServerClock
  readonly changes: Cursor
  readonly reports: Cursor
  readonly tell: Tell
  readonly troubles: Troubles
  /** Interval of checks whether Redis accepts writes, ms. */
  readonly checkMs: number
  /** Called when the known state is up to date with Redis. Throws StoreUnavailable. */
  readonly onSynced: () => Promise<void>
  /** Reads the newest history of a state; null = too much, or unreadable. Throws StoreUnavailable. */
  readonly historyOf: (documents: Documents) => Promise<readonly HistoryEntry[] | null>
}

/**
 * Brings the known state up to date with Redis: along the feed if that leads there, otherwise by reading everything. If
 * the state in Redis is empty, damaged or incomplete, it is restored from the known state instead.
 */
export class RedisSync {
  counts: StoreCounts = { reloads: 0, lostRevisions: 0, restores: 0 }
  readonly #parts: SyncParts
  #running: Promise<void> | null = null
  /** The next run, if one was asked for during the current one. */
  #next: Promise<void> | null = null
  readonly #restoring = new RestorePace()
  /** For lines that may repeat. */
  readonly #tellSparingly: Tell
  /** Time of the last write check on this connection, monotonic ms; null = none yet. */
  #checkedAt: number | null = null
  /** Whether the user had all rights at an earlier check. */
  #wasAllowed = false

  constructor(parts: SyncParts) {
    this.#parts = parts
    this.#tellSparingly = sparing(parts.tell)
  }

  /** Runs a sync, or joins the current one. Does not throw if the store is away: its status tells afterwards. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  /** As `run`, but never joins the current run, which may have read the state before this call. */
  runAnew(): Promise<void> {
    if (this.#running === null) return this.run()
    const begin = (): Promise<void> => {
      this.#next = null
      return this.run()
    }
    this.#next ??= this.#running.then(begin, begin)
    return this.#next
  }

  /** As `run`, on a new connection: checks writes at once. */
  begin(): Promise<void> {
    this.#checkedAt = null
    return this.run()
  }

  /** Handles an entry of the feed: applies it if it is the next change, and runs a sync if it shows a gap. */
  hear(fields: ReadonlyMap<string, string>): void {
    if (!this.#take(fields)) void this.run()
  }

  async #run(): Promise<void> {
    const { availability, connection, known, troubles, onSynced } = this.#parts
    // Give a broken connection time to come back.
    if (availability.status.up) await connection.ready(BLIP_MS)
    try {
      await this.#catchUpOverBreak()
      await onSynced()
      if (this.#restoring.isOver(performance.now())) troubles.clear('contents')
      availability.back(known.documents.revision)
    } catch (error) {
      if (error instanceof Damaged) await this.#repair(error)
      else if (error instanceof Newer) availability.away(error.message)
      else if (error instanceof StoreUnavailable) {
        availability.away(error.message)
        // A connection that does not answer may lead to the former primary.
        if (!(error instanceof NotDone)) connection.reconnect()
      } else throw error
    }
  }

  /** As `#catchUp`, and repeats it once if the connection breaks meanwhile and is back at once. */
  async #catchUpOverBreak(): Promise<void> {
    const { availability, connection } = this.#parts
    try {
      await this.#catchUp()
    } catch (error) {
      const isBlip = availability.status.up && error instanceof StoreUnavailable && error.message === BROKEN
      if (!isBlip || !(await connection.ready(BLIP_MS))) throw error
      await this.#catchUp()
    }
  }

  async #catchUp(): Promise<void> {
    const { scripts, clock, known, changes } = this.#parts
    await this.#checkWrites()
    const before = known.documents
    const sentAt = performance.now()
    const probe = await scripts.probe()
    clock.set(probe.timeMs, sentAt)
    if (this.#isWorse(probe)) {
      if (!(await this.#restore(probe.head))) return
    } else if (changes.after !== null) {
      if (this.#isKnown(probe)) return
      await this.#replay()
      // The feed may meanwhile have gone beyond the probe.
      if (this.#isKnown(probe) || (known.documents !== before && known.has(probe.head))) return
    }
    await this.#reload()
  }

  /** Checks whether Redis accepts writes. Throws StoreUnavailable if it cannot be used at all. */
  async #checkWrites(): Promise<void> {
    const { scripts, troubles, checkMs } = this.#parts
    const pauseMs = troubles.get('writes') === null ? checkMs : Math.min(checkMs, TROUBLED_CHECK_MS)
    if (this.#checkedAt !== null && performance.now() - this.#checkedAt < pauseMs) return
    try {
      await scripts.check()
      this.#wasAllowed = true
      troubles.clear('writes')
    } catch (error) {
      const refusal = error instanceof NotDone ? this.#refusalOf(error) : null
      if (refusal === null) throw error
      troubles.set('writes', refusal)
    }
    this.#checkedAt = performance.now()
  }

  /** Describes an error that stops nothing but writes, for people; null = any other error. */
  #refusalOf({ message, cause }: NotDone): string | null {
    if (this.#wasAllowed && message.includes(REFUSED))
      return `${message}. Give the user of store.redis the rights it had: ACL SETUSER as in docs/operations.md`
    return cause instanceof Error ? writeRefusal(cause) : null
  }

  /** Whether the state in Redis must be replaced by the known one. */
  #isWorse({ head, revision, isRestored, isWhole, countsDocuments }: Probe): boolean {
    const { known, availability } = this.#parts
    const mine = known.documents
    if (mine.revision === 0) return false
    if (head === NO_HEAD) return true
    // The second case: a version that knows no collections has restored the store without them.
    const isIncomplete = !isWhole || (!countsDocuments && countDocuments(mine) > 0)
    if (head === known.head) return isIncomplete
    // Overwrite Redis if it was restored from an older copy, or wiped and recreated while we were connected.
    const isSameLineage = lineageOf(head) === lineageOf(mine.head)
    return revision < mine.revision && (isSameLineage ? isRestored : availability.status.up)
  }

  /** Whether the state in Redis is the known one. */
  #isKnown({ head, documents }: Probe): boolean {
    const { known } = this.#parts
    return head === known.head && documents === countDocuments(known.documents)
  }

  /** Applies an entry of the feed; false = it does not follow the known state. */
  #take(fields: ReadonlyMap<string, string>): boolean {
    const { known } = this.#parts
    const head = fields.get('head') ?? ''
    if (known.has(head)) return true
    const change = isReadable(fields.get('format')) ? readChange(fields.get('change')) : null
    if (change === null || fields.get('base') !== known.head) return false
    known.follow(known.documents, head, change)
    return true
  }

  /** Applies the entries of the feed up to the first that does not follow. */
  async #replay(): Promise<void> {
    const { changes, connection } = this.#parts
    const entries = await connection.command((client) => client.xrange(changes.key, `(${changes.after}`, '+'))
    for (const [id, flat] of entries) {
      if (!this.#take(pairs(flat))) return
      changes.moveTo(id)
    }
  }

  /** Reads the whole state. */
  async #reload(): Promise<void> {
    const { scripts, clock, known, changes, reports, historyOf } = this.#parts
    const mine = known.documents
    const sentAt = performance.now()
    const loaded = await scripts.load()
    const { timeMs, lastChange, lastReport, heads } = loaded
    const documents = withLeftOut(loaded, mine)
    clock.set(timeMs, sentAt)
    const isFirst = changes.after === null
    const isSame = documents.head === mine.head && countDocuments(documents) === countDocuments(mine)
    const isOther = !isSame && documents.revision > 0
    // The feed did not deliver the changes in between, nor their history.
    const history = isOther ? await historyOf(documents) : null
    // The feed has moved on during the read, so the reading may be older than the known state; the next run compares
    // again.
    if (known.documents !== mine) return
    changes.after = lastChange
    reports.after ??= lastReport
    // An empty state never replaces another one.
    if (!isOther) return
    if (!isFirst) this.counts = { ...this.counts, reloads: this.counts.reloads + 1 }
    this.#findLost(documents, heads)
    if (history !== null && history.length > 0) known.remember(history)
    known.become(keepingSame(mine, documents), 'reload', null)
  }

  #findLost({ revision }: Documents, heads: readonly string[]): void {
    const { known, tell } = this.#parts
    const { revision: mine } = known.documents
    const lost = known.takeLost(heads)
    if (lost.length === 0 && revision >= mine) return
    const count = Math.max(lost.length, mine - revision)
    this.counts = { ...this.counts, lostRevisions: this.counts.lostRevisions + count }
    const which = lost.map((each) => `${each.revision} (${each.what})`).join(', ')
    tell(
      'error',
      `the store has lost changes, as in a fail-over: from revision ${mine} it is back to ${revision}, and this instance with it. ` +
        `Lost: ${which || `${count} revisions`}`,
    )
  }

  /**
   * Restores the store. `found`: the head in Redis to replace. Returns false if it is too early for another restore.
   */
  async #restore(found: string): Promise<boolean> {
    const { scripts, known, troubles } = this.#parts
    if (!this.#restoring.isDue(performance.now())) {
      troubles.set('contents', LOSES)
      return false
    }
    const history = known.historyEntries(SNAPSHOT_HISTORY)
    if ((await scripts.restore(known.documents, history, known.head, found)) !== 'restored') return true
    this.#restoring.done(performance.now())
    this.counts = { ...this.counts, restores: this.counts.restores + 1 }
    const { revision } = known.documents
    this.#tellSparingly(
      'warn',
      `the store was emptied or damaged; this instance filled it again with revision ${revision}`,
    )
    return true
  }

  /** Replaces a damaged state by the known one, if there is one. */
  async #repair({ message, head }: Damaged): Promise<void> {
    const { availability, known, changes } = this.#parts
    const problem = `the state in Redis is damaged: ${message}`
    if (known.documents.revision === 0) {
      availability.away(problem)
      return
    }
    this.#tellSparingly('error', problem)
    try {
      await this.#restore(head)
      changes.after ??= '0-0'
      availability.back(known.documents.revision)
    } catch (error) {
      if (!(error instanceof StoreUnavailable || error instanceof Newer)) throw error
      availability.away(error.message)
    }
  }
}

/**
 * Returns the documents that were read, with the collections of the known state if a version that knows no collections
 * has restored a later state without them. They cannot have changed since: versions that change collections also count
 * them.
 */
function withLeftOut({ documents, heads, countsDocuments }: Loaded, { head, collections }: Documents): Documents {
  const isLeftOut = !countsDocuments && documents.collections === undefined && heads.includes(head)
  return isLeftOut && collections !== undefined ? { ...documents, collections } : documents
}
