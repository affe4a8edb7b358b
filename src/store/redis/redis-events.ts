import { randomBytes } from 'node:crypto'
import type { EventDraft } from '../../model/event-record.ts'
import { compareIds, NO_ENTRY } from '../entry-ids.ts'
import { type EventListener, EventListeners, type EventLog } from '../event-log.ts'
import { KeptEvents, type LoggedEvent } from '../kept-events.ts'
import { StoreUnavailable } from '../store.ts'
import { eventArguments, readEvent, readOpen } from './event-entries.ts'
import type { Entries, RedisConnection } from './redis-connection.ts'
import { pairs } from './redis-documents.ts'
import { Cursor } from './redis-feed.ts'
import type { RedisKeys } from './redis-keys.ts'
import { script } from './script.ts'

const APPEND = script('append-events.lua', 'log-event.lua')
const MOVE_CURSOR = script('move-cursor.lua')
const NEWEST = script('newest-event.lua')
const RESTORE = script('restore-events.lua')

/** Max events that wait for the store; the oldest are dropped. */
const MAX_PENDING = 1_000
/** Max events in one call of a script. */
const BATCH = 200
/** Events in one read of the log. */
const PAGE = 1_000

/** An event of this instance that is not known to be in the log. */
interface Pending {
  readonly draft: EventDraft
  readonly ref: string
  /** Grows by one with each event of this process. */
  readonly number: number
  /** Whether the listeners were told of it before it has an id. */
  isTold: boolean
}

/**
 * The log of events of a fleet: a stream whose ids are those of the events. The newest are kept in memory, so that
 * readers ask Redis for nothing, and an emptied log can be filled again.
 */
export class RedisEvents implements EventLog {
  readonly kept = new KeptEvents()
  dropped = 0
  /** The position of the feed in the stream. */
  readonly stream: Cursor
  readonly #connection: RedisConnection
  readonly #keys: RedisKeys
  readonly #isUp: () => boolean
  readonly #listeners = new EventListeners()
  readonly #writer = randomBytes(9).toString('base64url')
  readonly #loading = Promise.withResolvers<void>()
  #isLoaded = false
  #pending: Pending[] = []
  #lastNumber = 0
  #sending: Promise<void> | null = null

  /** `isUp`: whether the store can be reached, as far as is known. */
  constructor(connection: RedisConnection, keys: RedisKeys, isUp: () => boolean) {
    this.#connection = connection
    this.#keys = keys
    this.#isUp = isUp
    this.stream = new Cursor(keys.events, (fields, id) => this.#hear(readEvent(id, fields)))
  }

  whenLoaded(): Promise<void> {
    return this.#loading.promise
  }

  subscribe(listener: EventListener): () => void {
    return this.#listeners.subscribe(listener)
  }

  append(drafts: readonly EventDraft[]): void {
    for (const draft of drafts) {
      const number = ++this.#lastNumber
      this.#pending.push({ draft, number, ref: `${this.#writer}.${number}`, isTold: false })
    }
    const tooMany = this.#pending.length - MAX_PENDING
    if (tooMany > 0) {
      this.#pending = this.#pending.slice(tooMany)
      this.dropped += tooMany
    }
    if (!this.#isUp()) this.#tellPending()
    // One call for the events of one turn of the event loop.
    setImmediate(() => void this.#send())
  }

  async cursor(name: string): Promise<string | null> {
    const position = await this.#connection.command((client) => client.hget(this.#keys.cursors, name))
    return position === null ? null : position.slice(position.indexOf('|') + 1)
  }

  async moveCursor(name: string, id: string, epoch: number): Promise<boolean> {
    return (await this.#connection.run(MOVE_CURSOR, [this.#keys.cursors], [name, id, epoch])) === 'moved'
  }

  /**
   * Compares the log in Redis with what is kept: reads it once, fills it if it was emptied, and goes back with it if it
   * has lost its newest events in a fail-over. Then sends events that wait. Throws StoreUnavailable.
   */
  async check(): Promise<void> {
    const { events, open } = this.#keys
    const known = this.kept.newest
    const newest = (await this.#connection.run(NEWEST, [events, open], [])) as string
    if (!this.#isLoaded) await this.#load()
    else if (newest === '' && known !== NO_ENTRY) await this.#restore()
    else if (newest !== '' && compareIds(newest, known) < 0) await this.#goBack(newest)
    await this.#send()
  }

  /** Sends what can be sent. */
  async close(): Promise<void> {
    await this.#send()
  }

  async #load(): Promise<void> {
    const { events } = this.#keys
    for (let from = '-'; ; ) {
      const page = await this.#connection.command((client) => client.xrange(events, from, '+', 'COUNT', PAGE))
      this.#take(page)
      if (page.length < PAGE) break
      from = `(${this.kept.newest}`
    }
    await this.#readOpen()
    this.stream.after = this.kept.newest
    this.#isLoaded = true
    this.#loading.resolve()
    this.#listeners.tell()
  }

  #take(entries: Entries): void {
    for (const [id, flat] of entries) {
      const logged = readEvent(id, pairs(flat))
      if (logged !== null) this.kept.add(logged)
    }
  }

  async #readOpen(): Promise<void> {
    this.kept.setOpen(readOpen(await this.#connection.command((client) => client.hgetall(this.#keys.open))))
  }

  async #restore(): Promise<void> {
    const { events, open } = this.#keys
    const args = this.kept.all.flatMap((logged) => [logged.id, logged.previous, logged.ref, ...eventArguments(logged)])
    const opened = [...this.kept.open].flatMap(([subject, fact]) => [subject, JSON.stringify(fact)])
    await this.#connection.run(RESTORE, [events, open], [this.kept.all.length, ...args, ...opened])
  }

  async #goBack(newest: string): Promise<void> {
    this.kept.dropAfter(newest)
    this.stream.after = newest
    await this.#readOpen()
    this.#listeners.tell()
  }

  #hear(logged: LoggedEvent | null): void {
    // What is delivered before the log was read is read with it.
    if (logged !== null && this.#isLoaded && this.kept.add(logged)) this.#listeners.tell()
  }

  /** Sends the events that wait; those that were sent before are not logged again. */
  async #send(): Promise<void> {
    if (this.#pending.length === 0) return
    this.#sending ??= this.#sendAll()
    await this.#sending
  }

  async #sendAll(): Promise<void> {
    try {
      while (this.#pending.length > 0) {
        const batch = this.#pending.slice(0, BATCH)
        await this.#append(batch)
        const last = batch.at(-1)?.number ?? 0
        this.#pending = this.#pending.filter(({ number }) => number > last)
      }
    } catch (error) {
      // The next check sends them.
      if (!(error instanceof StoreUnavailable)) throw error
      this.#tellPending()
    } finally {
      // Not later: what is added from now on would wait for the next check.
      this.#sending = null
    }
  }

  async #append(batch: readonly Pending[]): Promise<void> {
    const { events, open } = this.#keys
    const first = batch[0]?.number ?? 0
    const args = batch.flatMap(({ draft, ref }) => [ref, ...eventArguments(draft)])
    await this.#connection.run(APPEND, [events, open, this.#keys.writer(this.#writer)], [first, ...args])
  }

  /** Tells the listeners of events that wait. What several instances may report is left to the log. */
  #tellPending(): void {
    for (const pending of this.#pending) {
      const { draft, ref, isTold } = pending
      if (isTold || draft.opens !== undefined || draft.closes !== undefined) continue
      pending.isTold = true
      this.#listeners.tell({ ref, event: draft.event })
    }
  }
}
