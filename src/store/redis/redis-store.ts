import { setTimeout } from 'node:timers/promises'
import { flatten } from '../../model/collections.ts'
import type { Change, Documents, HistoryEntry, JsonObject } from '../../model/state.ts'
import { ANSWER_MS } from '../answers.ts'
import { StoreLeases } from '../leases.ts'
import type { Register } from '../register.ts'
import { isHistory, parseJson } from '../shape.ts'
import type {
  CommitOutcome,
  HistoryQuery,
  Leases,
  Snapshot,
  Store,
  StoreCounts,
  StoreListener,
  StoreStatus,
  StoreTrouble,
} from '../store.ts'
import { SNAPSHOT_HISTORY, StoreUnavailable, StoreUnusable } from '../store.ts'
import { sparing, type Tell } from '../tell.ts'
import { Troubles } from '../troubles.ts'
import { Availability } from './availability.ts'
import { KnownState } from './known-state.ts'
import { LastKnown } from './last-known.ts'
import { RedisConnection } from './redis-connection.ts'
import { Cursor, RedisFeed } from './redis-feed.ts'
import { RedisKeys } from './redis-keys.ts'
import { RedisRegister } from './redis-register.ts'
import { RedisScripts } from './redis-scripts.ts'
import type { RedisSettings } from './redis-settings.ts'
import { RedisSync } from './redis-sync.ts'
import { RedisWriter } from './redis-writer.ts'
import { ServerClock } from './server-clock.ts'

export interface RedisStoreOptions {
  readonly settings: RedisSettings
  /** One fleet, one prefix. */
  readonly prefix: string
  /** Folder of the last known state. */
  readonly path: string
  /** What a process of this instance knew before this one: it is what this one begins with. */
  readonly known?: Snapshot | null
  readonly tell: Tell
  /** How often it is tried whether Redis and the disk take what we write, ms; five seconds unless given. */
  readonly checkMs?: number
  /** Awaited when there is a connection, before anything is read. Never throws. */
  readonly onConnected?: () => Promise<void>
}

/** How often it is asked which state there is: after a fail-over the feed may wait for an id that never comes. */
const POLL_MS = 1_000
/** How often it is looked at meanwhile why there is no connection. */
const GLANCE_MS = 100
/** How long to wait for Redis at the start: with a last known state to go on from, and without. */
const PATIENCE_MS = { known: 1_000, unknown: 5_000 }

/** How much of the history is read at the start: of a state with more services and documents, none. */
const LEARNED = { subjects: 1_000, entries: SNAPSHOT_HISTORY }

/**
 * The state of a fleet in Redis. Every write is one script, a compare-and-set on the head of the state: what a change
 * was decided on is what it is made on, or it is not made. Changes come back through a stream, each naming the head it
 * starts from: as long as the chain holds nothing was missed, and where it breaks everything is read anew. While Redis
 * is away the state stays as last known, on this machine's disk as well.
 */
export class RedisStore implements Store {
  readonly register: Register
  readonly leases: Leases
  /** The state that was on the disk when this store was opened. */
  lastKnown: Documents | null = null
  readonly #keys: RedisKeys
  readonly #connection: RedisConnection
  readonly #tell: Tell
  readonly #onConnected: () => Promise<void>
  readonly #availability: Availability
  readonly #known: KnownState
  /** Of the process before this one. */
  readonly #before: Snapshot | null
  readonly #troubles: Troubles
  readonly #listeners = new Set<(status: StoreStatus) => void>()
  readonly #lastKnown: LastKnown
  readonly #feed: RedisFeed
  readonly #clock: ServerClock
  readonly #sync: RedisSync
  readonly #writer: RedisWriter
  #poll: NodeJS.Timeout | undefined
  #isClosed = false

  /** Throws StoreUnusable when a file of the settings cannot be read. */
  constructor(options: RedisStoreOptions) {
    const { settings, prefix, path, tell, known: before = null, checkMs = 5_000 } = options
    const { onConnected = async () => undefined } = options
    const keys = new RedisKeys(prefix)
    const connection = new RedisConnection(settings)
    const scripts = new RedisScripts(connection, keys)
    const sparingly = sparing(tell)
    const troubles = new Troubles(sparingly, () => this.#changed())
    const register = new RedisRegister(connection, keys, sparingly)
    const availability = new Availability(tell)
    const clock = new ServerClock()
    const known = new KnownState(() => this.#lastKnown.renew())
    const current = () => ({ documents: known.documents, history: known.historyEntries() })
    const changes = new Cursor(keys.changes, (fields) => this.#sync.hear(fields))
    const reports = new Cursor(keys.reports, (fields) => register.hear(fields))
    const shared = { connection, scripts, known, availability, clock, tell, troubles, checkMs }
    this.register = register
    this.#keys = keys
    this.#connection = connection
    this.#tell = tell
    this.#onConnected = onConnected
    this.#availability = availability
    this.#clock = clock
    this.#known = known
    this.#before = before
    this.#troubles = troubles
    this.#lastKnown = new LastKnown({ path, prefix, current, tell, troubles, checkMs })
    this.#feed = new RedisFeed(connection, [changes, reports])
    this.#sync = new RedisSync({
      ...shared,
      changes,
      reports,
      onSynced: () => this.#writer.settleDoubts(),
      historyOf: (documents) => this.#historyOf(documents),
    })
    this.#writer = new RedisWriter({ ...shared, keys, sync: () => this.#sync.run() })
    this.leases = new StoreLeases({
      documents: () => known.documents,
      nowMs: () => clock.nowMs(),
      commit: (change) => this.#writer.commit(change),
      take: (change, take) => this.#writer.commit(change, take),
      renew: (name, token, ttlMs) => scripts.renew(name, token, ttlMs),
    })
  }

  /** Reads the state, or takes the last known one while Redis is away. Throws StoreUnusable when neither is there. */
  async open(): Promise<Documents> {
    const lastKnown = await this.#readLastKnown()
    this.lastKnown = lastKnown?.documents ?? null
    if (lastKnown !== null) this.#known.begin(lastKnown.documents, lastKnown.history)
    this.#connection.open()
    await this.#connect(lastKnown === null ? PATIENCE_MS.unknown : PATIENCE_MS.known)
    const { status } = this.#availability
    const refusal = this.#troubles.get('writes')
    if (lastKnown === null && !status.up) throw await this.#useless(`is away (${status.detail})`)
    // Where nothing is known and nothing can be written, there is nothing to serve.
    if (lastKnown === null && refusal !== null && this.#known.documents.revision === 0)
      throw await this.#useless(`takes no changes (${refusal.detail})`)
    if (status.up) await this.#learnHistory()
    else {
      const { revision } = this.#known.documents
      const detail = `starting from the last known state, revision ${revision}`
      this.#tell('error', `the store is away (${status.detail}): ${detail}`)
    }
    this.#availability.begin()
    // First the others know of us, then we go on with what they have done.
    this.#connection.onReady(() => void this.#onConnected().then(() => this.#sync.begin()))
    void this.#feed.follow()
    this.#lastKnown.watch()
    this.#pollOn()
    return this.#known.documents
  }

  documents(): Documents {
    return this.#known.documents
  }

  nowMs(): number {
    return this.#clock.nowMs()
  }

  /** One round trip where nothing has changed. */
  async refresh(): Promise<void> {
    await this.#sync.runAnew()
    const { status } = this.#availability
    if (!status.up) throw new StoreUnavailable(`the store is away: ${status.detail}`)
  }

  commit(change: Change): Promise<CommitOutcome> {
    return this.#writer.commit(change)
  }

  subscribe(listener: StoreListener): () => void {
    return this.#known.feed.subscribe(listener)
  }

  async history(query: HistoryQuery): Promise<readonly HistoryEntry[]> {
    const most = Math.max(0, query.limit)
    if (!this.#availability.status.up || most === 0) return this.#known.history({ ...query, limit: most })
    const key = this.#keys.history(query.service)
    try {
      const lines = await this.#connection.command((client) => client.lrange(key, 0, most - 1))
      const entries = lines.map(parseJson)
      return isHistory(entries) ? entries : this.#known.history(query)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      return this.#known.history(query)
    }
  }

  snapshot(): Snapshot {
    return { documents: this.#known.documents, history: this.#known.historyEntries(SNAPSHOT_HISTORY) }
  }

  troubles(): readonly StoreTrouble[] {
    return this.#troubles.list()
  }

  status(): StoreStatus {
    return this.#availability.status
  }

  onStatus(listener: (status: StoreStatus) => void): void {
    this.#availability.onChange(listener)
    this.#listeners.add(listener)
  }

  counts(): StoreCounts {
    return this.#sync.counts
  }

  async remember(key: string, answer: JsonObject): Promise<void> {
    const json = JSON.stringify(answer)
    await this.#connection.command((client) => client.set(this.#keys.answer(key), json, 'PX', ANSWER_MS))
  }

  async recall(key: string): Promise<JsonObject | null> {
    const json = await this.#connection.command((client) => client.get(this.#keys.answer(key)))
    return json === null ? null : ((parseJson(json) as JsonObject | undefined) ?? null)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#poll)
    this.#feed.close()
    await this.#writer.idle()
    await this.#lastKnown.close()
    this.#connection.close()
  }

  /** The state to begin with, which is of no use only when nothing is known. Throws StoreUnusable. */
  async #readLastKnown(): Promise<Snapshot | null> {
    try {
      const lastKnown = await this.#lastKnown.read()
      return this.#before ?? lastKnown
    } catch (error) {
      if (this.#before === null || !(error instanceof StoreUnusable)) throw error
      this.#troubles.set('lastKnown', error.message)
      return this.#before
    }
  }

  async #useless(problem: string): Promise<StoreUnusable> {
    await this.close()
    return new StoreUnusable(
      `the store ${problem}, and there is no last known state in store.path to start from. ` +
        'Start Redis, or correct store.redis',
    )
  }

  #changed(): void {
    for (const listener of this.#listeners) listener(this.status())
  }

  /** Connects and reads for the first time, trying for so long. */
  async #connect(patienceMs: number): Promise<void> {
    const until = performance.now() + patienceMs
    let hasConnected = false
    while (!this.#availability.status.up && !this.#isClosed && performance.now() < until) {
      if (!(await this.#connection.ready(Math.min(GLANCE_MS, until - performance.now())))) {
        // Waiting changes nothing about that.
        if (this.#connection.isRefused) break
        continue
      }
      if (!hasConnected) await this.#onConnected()
      hasConnected = true
      await this.#sync.run()
      if (this.#connection.isRefused) break
      if (!this.#availability.status.up) await setTimeout(50)
    }
    if (!hasConnected) this.#availability.away(this.#connection.problem)
  }

  /** Has the newest of the history here: for when the store is away, and if it should be emptied. */
  async #learnHistory(): Promise<void> {
    try {
      const history = await this.#historyOf(this.#known.documents)
      if (history !== null) this.#known.remember(history)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
    }
  }

  /** The newest of the history that led to `documents`; null where that is too much, or unreadable. Throws StoreUnavailable. */
  async #historyOf({ services, collections, revision }: Documents): Promise<readonly HistoryEntry[] | null> {
    const subjects = [...Object.keys(services), ...flatten(collections).map(([subject]) => subject)]
    const keys = subjects.map((subject) => this.#keys.history(subject))
    if (keys.length === 0 || keys.length > LEARNED.subjects) return null
    const lists = await this.#connection.command((client) =>
      keys.reduce((pipeline, key) => pipeline.lrange(key, 0, LEARNED.entries - 1), client.pipeline()).exec(),
    )
    const entries: unknown = (lists ?? []).flatMap(([, lines]) =>
      ((lines ?? []) as string[]).map(parseJson).toReversed(),
    )
    if (!isHistory(entries)) return null
    // What was done meanwhile comes over the feed as well.
    return entries.filter((entry) => entry.revision <= revision)
  }

  #pollOn(): void {
    if (this.#isClosed) return
    // With some jitter: a fleet that was started at once shall not ask at once for ever.
    const pauseMs = POLL_MS * (1 + Math.random() * 0.5)
    this.#poll = globalThis.setTimeout(() => void this.#sync.run().finally(() => this.#pollOn()), pauseMs)
  }
}
