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
import type { TickExchange } from '../ticks.ts'
import { Troubles } from '../troubles.ts'
import { Availability } from './availability.ts'
import { KnownState } from './known-state.ts'
import { LastKnown } from './last-known.ts'
import { RedisConnection } from './redis-connection.ts'
import { RedisEvents } from './redis-events.ts'
import { Cursor, RedisFeed } from './redis-feed.ts'
import { RedisKeys } from './redis-keys.ts'
import { RedisRegister, type RegisterSettings } from './redis-register.ts'
import { RedisScripts } from './redis-scripts.ts'
import type { RedisSettings } from './redis-settings.ts'
import { RedisSync } from './redis-sync.ts'
import { RedisTicks } from './redis-ticks.ts'
import { RedisWriter } from './redis-writer.ts'
import { ServerClock } from './server-clock.ts'

export interface RedisStoreOptions {
  readonly settings: RedisSettings
  /** Distinguishes fleets that share a Redis. */
  readonly prefix: string
  /** Folder of the last known state. */
  readonly path: string
  /** The state of the previous process of this instance, from which this one starts. */
  readonly known?: Snapshot | null
  readonly tell: Tell
  /** Interval of checks whether Redis and the disk accept writes, ms; default 5,000. */
  readonly checkMs?: number
  readonly register?: RegisterSettings
  /** Called on every new connection, and awaited before the state is read. Never throws. */
  readonly onConnected?: () => Promise<void>
}

/** Min interval of probes of the state, ms: after a fail-over the feed may wait for an id that never comes. */
const POLL_MS = 1_000
/** Interval at which the start checks why there is no connection, ms. */
const GLANCE_MS = 100
/** Max wait for Redis at the start, ms: with a last known state, and without. */
const PATIENCE_MS = { known: 1_000, unknown: 5_000 }

/**
 * Limits of the history read at the start: max entries per subject, and the number of subjects above which none is
 * read.
 */
const LEARNED = { subjects: 1_000, entries: SNAPSHOT_HISTORY }

/**
 * Keeps the state of a fleet in Redis. Every write is one script, a compare-and-set on the head of the state: a change
 * is made on the state that it was decided on, or not at all. Changes come back through a stream, each with the head it
 * starts from: an unbroken chain proves that nothing was missed, and after a gap the whole state is read again. While
 * Redis is away, the last known state stays in force; it is on this machine's disk, too.
 */
export class RedisStore implements Store {
  readonly register: Register
  readonly leases: Leases
  readonly ticks: TickExchange
  readonly events: RedisEvents
  /** The state that was on the disk when this store was opened. */
  lastKnown: Documents | null = null
  readonly #keys: RedisKeys
  readonly #connection: RedisConnection
  readonly #tell: Tell
  readonly #onConnected: () => Promise<void>
  readonly #availability: Availability
  readonly #known: KnownState
  /** The state of the previous process; null = there was none. */
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

  /** Throws StoreUnusable if a file of the settings cannot be read. */
  constructor(options: RedisStoreOptions) {
    const { settings, prefix, path, tell, known: before = null, checkMs = 5_000 } = options
    const { onConnected = async () => undefined } = options
    const keys = new RedisKeys(prefix)
    const connection = new RedisConnection(settings)
    const scripts = new RedisScripts(connection, keys)
    const sparingly = sparing(tell)
    const troubles = new Troubles(sparingly, () => this.#changed())
    const availability = new Availability(tell)
    const clock = new ServerClock()
    const register = new RedisRegister(connection, keys, clock, sparingly, options.register)
    const known = new KnownState(() => this.#lastKnown.renew())
    const current = () => ({ documents: known.documents, history: known.historyEntries() })
    const changes = new Cursor(keys.changes, (fields) => this.#sync.hear(fields))
    const reports = new Cursor(keys.reports, (fields) => register.hear(fields))
    const events = new RedisEvents(connection, keys, () => availability.status.up)
    const shared = { connection, scripts, known, availability, clock, tell, troubles, checkMs }
    this.register = register
    this.events = events
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
    const ticks = new RedisTicks(connection, keys)
    this.ticks = ticks
    this.#feed = new RedisFeed(connection, [changes, reports, ticks.cursor, events.stream], () => register.missed())
    this.#sync = new RedisSync({
      ...shared,
      changes,
      reports,
      onSynced: async () => {
        await this.#writer.reportUncertainWrites()
        await events.check()
      },
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

  /** Reads the state, or takes the last known one if Redis is away. Throws StoreUnusable if there is neither. */
  async open(): Promise<Documents> {
    const lastKnown = await this.#readLastKnown()
    this.lastKnown = lastKnown?.documents ?? null
    if (lastKnown !== null) this.#known.begin(lastKnown.documents, lastKnown.history)
    this.#connection.open()
    await this.#connect(lastKnown === null ? PATIENCE_MS.unknown : PATIENCE_MS.known)
    const { status } = this.#availability
    const refusal = this.#troubles.get('writes')
    if (lastKnown === null && !status.up) throw await this.#unusable(`is away (${status.detail})`)
    // Without any state, and without the means to write one, there is nothing to serve.
    if (lastKnown === null && refusal !== null && this.#known.documents.revision === 0)
      throw await this.#unusable(`takes no changes (${refusal.detail})`)
    if (status.up) await this.#learnHistory()
    else {
      const { revision } = this.#known.documents
      const detail = `starting from the last known state, revision ${revision}`
      this.#tell('error', `the store is away (${status.detail}): ${detail}`)
    }
    this.#availability.begin()
    // Announce this instance to the fleet before following the fleet's changes.
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

  /** Takes one round trip if nothing has changed. */
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
    const max = Math.max(0, query.limit)
    if (!this.#availability.status.up || max === 0) return this.#known.history({ ...query, limit: max })
    const key = this.#keys.history(query.service)
    try {
      const lines = await this.#connection.command((client) => client.lrange(key, 0, max - 1))
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
    await this.events.close()
    await this.#lastKnown.close()
    this.#connection.close()
  }

  /**
   * The state to start from; null = none. Throws StoreUnusable if the folder cannot be used and there is no other
   * state.
   */
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

  async #unusable(problem: string): Promise<StoreUnusable> {
    await this.close()
    return new StoreUnusable(
      `the store ${problem}, and there is no last known state in store.path to start from. ` +
        'Start Redis, or correct store.redis',
    )
  }

  #changed(): void {
    for (const listener of this.#listeners) listener(this.status())
  }

  /** Waits up to `patienceMs` for a connection and the first read of the state. */
  async #connect(patienceMs: number): Promise<void> {
    const until = performance.now() + patienceMs
    let hasConnected = false
    while (!this.#availability.status.up && !this.#isClosed && performance.now() < until) {
      if (!(await this.#connection.ready(Math.min(GLANCE_MS, until - performance.now())))) {
        // Redis refuses the credentials: waiting would not help.
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

  /** Reads the newest history, for use while the store is away or if it is emptied. */
  async #learnHistory(): Promise<void> {
    try {
      const history = await this.#historyOf(this.#known.documents)
      if (history !== null) this.#known.remember(history)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
    }
  }

  /** Reads the newest history that led to `documents`; null = too much, or unreadable. Throws StoreUnavailable. */
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
    // The feed delivers later entries.
    return entries.filter((entry) => entry.revision <= revision)
  }

  #pollOn(): void {
    if (this.#isClosed) return
    // Jitter spreads the probes of instances that were started together.
    const pauseMs = POLL_MS * (1 + Math.random() * 0.5)
    this.#poll = globalThis.setTimeout(() => void this.#sync.run().finally(() => this.#pollOn()), pauseMs)
  }
}
