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

/** How often it is tried whether Redis takes what we write, while it does not. */
const TROUBLED_CHECK_MS = 1_000

/** A connection that breaks may take so long to come back before the store counts as away. */
const BLIP_MS = 300

const LOSES =
  'Redis loses it again and again. See to it that maxmemory-policy is noeviction there, and that nothing else deletes keys of store.prefix'

interface Parts {
  readonly connection: RedisConnection
  readonly scripts: RedisScripts
  readonly known: KnownState
  readonly availability: Availability
  readonly clock: ServerClock
  readonly changes: Cursor
  readonly reports: Cursor
  readonly tell: Tell
  readonly troubles: Troubles
  /** How often it is tried whether Redis takes what we write, ms. */
  readonly checkMs: number
  /** The state is there and known. Throws StoreUnavailable. */
  readonly onSynced: () => Promise<void>
  /** The newest of the history of a state that was read; null = not to be had. Throws StoreUnavailable. */
  readonly historyOf: (documents: Documents) => Promise<readonly HistoryEntry[] | null>
}

/**
 * Makes what is known here what is in Redis: along the feed where that leads there, by reading everything where it does
 * not. What is in Redis is not always the better one: where it is empty, damaged or cut short, it is filled again from
 * what is known here.
 */
export class RedisSync {
  counts: StoreCounts = { reloads: 0, lostRevisions: 0, restores: 0 }
  readonly #parts: Parts
  #running: Promise<void> | null = null
  /** The run after that one. */
  #next: Promise<void> | null = null
  readonly #restoring = new RestorePace()
  /** For what may go on and on. */
  readonly #tellSparingly: Tell
  /** When it was last tried to write through this connection; monotonic ms, null = not yet. */
  #checkedAt: number | null = null
  /** Our user has had the rights it needs. */
  #wasAllowed = false

  constructor(parts: Parts) {
    this.#parts = parts
    this.#tellSparingly = sparing(parts.tell)
  }

  /** Never throws for the store's sake; whether it is away is its status afterwards. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  /** As `run`, and begins now or later: one that is under way may have asked before what matters to the caller. */
  runAnew(): Promise<void> {
    if (this.#running === null) return this.run()
    const begin = (): Promise<void> => {
      this.#next = null
      return this.run()
    }
    this.#next ??= this.#running.then(begin, begin)
    return this.#next
  }

  /** The connection is a new one: as `run`. */
  begin(): Promise<void> {
    this.#checkedAt = null
    return this.run()
  }

  /** An entry of the feed: the next change, one that is known, or one that shows that something was missed. */
  hear(fields: ReadonlyMap<string, string>): void {
    if (!this.#take(fields)) void this.run()
  }

  async #run(): Promise<void> {
    const { availability, connection, known, troubles, onSynced } = this.#parts
    // A connection that is only just being made again is none that is lost.
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
        // A connection that does not answer may lead to a primary that was.
        if (!(error instanceof NotDone)) connection.reconnect()
      } else throw error
    }
  }

  /** As `#catchUp`, and once more when the connection breaks under it and is there again at once. */
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
      // What has come over the feed meanwhile may be ahead of what was said.
      if (this.#isKnown(probe) || (known.documents !== before && known.has(probe.head))) return
    }
    await this.#reload()
  }

  /** Finds out whether Redis takes what we write. Throws StoreUnavailable when it is of no use at all. */
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

  /** What a person is told of an error that stops writes and nothing else; null = it is another one. */
  #refusalOf({ message, cause }: NotDone): string | null {
    if (this.#wasAllowed && message.includes(REFUSED))
      return `${message}. Give the user of store.redis the rights it had: ACL SETUSER as in docs/operations.md`
    return cause instanceof Error ? writeRefusal(cause) : null
  }

  /** Whether what is known here is better than what is there. */
  #isWorse({ head, revision, isRestored, isWhole, countsDocuments }: Probe): boolean {
    const { known, availability } = this.#parts
    const mine = known.documents
    if (mine.revision === 0) return false
    if (head === NO_HEAD) return true
    // A version that knows no collections has filled the store again, without them.
    const isCutShort = !isWhole || (!countsDocuments && countDocuments(mine) > 0)
    if (head === known.head) return isCutShort
    // One that somebody has filled again from less than we know, or has begun anew under our eyes, gives way.
    const isOurs = lineageOf(head) === lineageOf(mine.head)
    return revision < mine.revision && (isOurs ? isRestored : availability.status.up)
  }

  /** Whether the state that is there is the one that is known here. */
  #isKnown({ head, documents }: Probe): boolean {
    const { known } = this.#parts
    return head === known.head && documents === countDocuments(known.documents)
  }

  /** Goes on by a change of the feed; false when it does not follow on what is known. */
  #take(fields: ReadonlyMap<string, string>): boolean {
    const { known } = this.#parts
    const head = fields.get('head') ?? ''
    if (known.has(head)) return true
    const change = isReadable(fields.get('format')) ? readChange(fields.get('change')) : null
    if (change === null || fields.get('base') !== known.head) return false
    known.follow(known.documents, head, change)
    return true
  }

  /** Goes on along the feed, as far as it leads. */
  async #replay(): Promise<void> {
    const { changes, connection } = this.#parts
    const entries = await connection.command((client) => client.xrange(changes.key, `(${changes.after}`, '+'))
    for (const [id, flat] of entries) {
      if (!this.#take(pairs(flat))) return
      changes.moveTo(id)
    }
  }

  /** Reads everything. */
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
    // The changes in between did not come over the feed, and with them their history.
    const history = isOther ? await historyOf(documents) : null
    // It was on its way while the feed went on: what was read is older than what is known, or will be read again.
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
      `the store has lost changes, as in a fail-over: from revision ${mine} it is back to ${revision}, and so are we. ` +
        `Lost: ${which || `${count} revisions`}`,
    )
  }

  /** `found`: the head that is there, to be replaced. Returns false when it is too early to try that again. */
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
      `the store was emptied or damaged; it was filled again with revision ${revision}, as known here`,
    )
    return true
  }

  /** What is there makes no sense: it is replaced by what is known, if anything is. */
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
 * What was read, with the collections of a state before it that is known here, where a version that knows none has written
 * the state anew and left them out. They are what they were then: versions that know them count them.
 */
function withLeftOut({ documents, heads, countsDocuments }: Loaded, { head, collections }: Documents): Documents {
  const isLeftOut = !countsDocuments && documents.collections === undefined && heads.includes(head)
  return isLeftOut && collections !== undefined ? { ...documents, collections } : documents
}
