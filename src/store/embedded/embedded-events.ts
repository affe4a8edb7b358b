import type { EventDraft } from '../../model/event-record.ts'
import { eventsOf } from '../../model/events.ts'
import type { Change } from '../../model/state.ts'
import { explainDisk, isDiskError } from '../disk-errors.ts'
import { NO_ENTRY } from '../entry-ids.ts'
import { type EventListener, EventListeners, type EventLog } from '../event-log.ts'
import { KEEP_EVENTS, KeptEvents, type LoggedEvent } from '../kept-events.ts'
import type { Tell } from '../tell.ts'
import { EventFile, type EventFileContents, emptyContents } from './event-file.ts'

/** A write that waits: the events of a batch, or the position of a shared reader. */
type Write = readonly LoggedEvent[] | { readonly cursor: string; readonly id: string }

/**
 * The log of events of one Cutover: in memory, and in a file so that ids outlive the process. While the file cannot be
 * written, the log goes on in memory, and the file is written anew later.
 */
export class EmbeddedEvents implements EventLog {
  readonly kept = new KeptEvents()
  readonly dropped = 0
  readonly #path: string
  readonly #tell: Tell
  readonly #now: () => number
  readonly #listeners = new EventListeners()
  readonly #loading = Promise.withResolvers<void>()
  readonly #cursors = new Map<string, string>()
  /** Subjects of what has begun and not ended, by the events that have ids. */
  readonly #open = new Set<string>()
  #file: EventFile | null = null
  #isOpen = false
  /** Id of the newest event, be it written or not. */
  #newest = NO_ENTRY
  /** Revision up to which the events of changes have ids. */
  #revision = 0
  #writes: Write[] = []
  #isCheckDue = false
  #writing: Promise<void> | null = null

  /** `now`: the clock of the ids, ms since the epoch. */
  constructor(path: string, tell: Tell, now: () => number = Date.now) {
    this.#path = path
    this.#tell = tell
    this.#now = now
  }

  /**
   * Reads the file, and adds the events of those `changes` that a process committed and did not log before it died.
   * `revision`: that of the state; a new log begins with the changes after it.
   */
  async open(changes: readonly Change[], revision: number): Promise<void> {
    const found = (await this.#reading(() => EventFile.read(this.#path))) ?? emptyContents(revision)
    this.#begin(found)
    this.#isOpen = true
    for (const change of changes) if (change.revision > this.#revision) this.#stage(eventsOf(change))
    this.#revision = Math.max(this.#revision, revision)
    await this.check()
    this.#loading.resolve()
    this.#listeners.tell()
  }

  whenLoaded(): Promise<void> {
    return this.#loading.promise
  }

  subscribe(listener: EventListener): () => void {
    return this.#listeners.subscribe(listener)
  }

  append(drafts: readonly EventDraft[]): void {
    this.#stage(drafts)
    void this.#flush()
  }

  /** Logs the events of a change that was committed. */
  async record(change: Change): Promise<void> {
    this.#stage(eventsOf(change))
    this.#revision = change.revision
    await this.#flush()
  }

  async cursor(name: string): Promise<string | null> {
    return this.#cursors.get(name) ?? null
  }

  async moveCursor(name: string, id: string): Promise<boolean> {
    this.#cursors.set(name, id)
    this.#writes.push({ cursor: name, id })
    await this.#flush()
    return true
  }

  /** Writes the file anew if it was removed or changed from outside, or could not be written. */
  async check(): Promise<void> {
    this.#isCheckDue = true
    await this.#flush()
  }

  async close(): Promise<void> {
    await this.#flush()
    this.#isOpen = false
    await this.#file?.close()
    this.#file = null
  }

  #begin({ before, revision, open, cursors, events }: EventFileContents): void {
    this.kept.clear(before)
    this.kept.setOpen(open)
    for (const event of events) this.kept.add(event)
    for (const [name, id] of cursors) this.#cursors.set(name, id)
    for (const subject of this.kept.open.keys()) this.#open.add(subject)
    this.#newest = this.kept.newest
    this.#revision = Math.max(revision, ...events.map(({ event }) => event.revision ?? 0))
  }

  /** Gives events their ids, to be written as one batch. */
  #stage(drafts: readonly EventDraft[]): void {
    const batch: LoggedEvent[] = []
    for (const { event, opens, closes } of drafts) {
      if (opens !== undefined && this.#open.has(opens.subject)) continue
      if (closes !== undefined && !this.#open.delete(closes)) continue
      if (opens !== undefined) this.#open.add(opens.subject)
      const previous = this.#newest
      this.#newest = nextId(previous, this.#now())
      batch.push({ id: this.#newest, previous, ref: '', event, ...(opens && { opens }), ...(closes && { closes }) })
    }
    if (batch.length > 0) this.#writes.push(batch)
  }

  /** Writes what waits, then tells the listeners of it. */
  async #flush(): Promise<void> {
    if (!this.#isOpen || (this.#writes.length === 0 && !this.#isCheckDue)) return
    this.#writing ??= this.#writeAll()
    await this.#writing
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#writes.length > 0 || this.#isCheckDue) {
        const writes = this.#writes
        this.#writes = []
        await this.#write(writes)
        for (const write of writes) if (!('cursor' in write)) for (const event of write) this.kept.add(event)
        const isDamaged = this.#isCheckDue && !((await this.#file?.isIntact()) ?? false)
        this.#isCheckDue = false
        if (isDamaged || this.#file === null || this.#file.lines > 2 * KEEP_EVENTS) await this.#rewrite()
        if (writes.length > 0) this.#listeners.tell()
      }
    } finally {
      // Not later: what is staged from now on would wait for ever.
      this.#writing = null
    }
  }

  async #write(writes: readonly Write[]): Promise<void> {
    const file = this.#file
    if (file === null || writes.length === 0) return
    try {
      await file.append(writes)
    } catch (error) {
      this.#failed(error)
      this.#file = null
      await file.close().catch(() => undefined)
    }
  }

  async #rewrite(): Promise<void> {
    const before = this.#file
    const events = this.kept.all
    try {
      this.#file = await EventFile.create(this.#path, {
        before: events[0]?.previous ?? this.kept.newest,
        revision: this.#revision,
        open: this.kept.open,
        cursors: this.#cursors,
        events,
      })
    } catch (error) {
      this.#file = null
      this.#failed(error)
    }
    await before?.close().catch(() => undefined)
  }

  async #reading<T>(read: () => Promise<T>): Promise<T | null> {
    try {
      return await read()
    } catch (error) {
      this.#failed(error)
      return null
    }
  }

  #failed(error: unknown): void {
    if (!isDiskError(error)) throw error
    this.#tell('warn', `${explainDisk(error, this.#path)}. Until then, events are only kept in memory`)
  }
}

/** The id after `previous`, at the time `nowMs` if the clock has not been set back. */
function nextId(previous: string, nowMs: number): string {
  const [ms = 0, sequence = 0] = previous.split('-').map(Number)
  return nowMs > ms ? `${nowMs}-0` : `${ms}-${sequence + 1}`
}
