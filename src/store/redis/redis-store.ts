import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { Change, Documents, HistoryEntry, JsonObject } from '../../model/state.ts'
import { applyChange, EMPTY_DOCUMENTS } from '../../model/state.ts'
import { ANSWER_MS } from '../answers.ts'
import { Feed } from '../feed.ts'
import { History } from '../history.ts'
import type { Register } from '../register.ts'
import { isHistory, parseJson } from '../shape.ts'
import type { CommitOutcome, HistoryQuery, Store, StoreCounts, StoreListener, StoreStatus } from '../store.ts'
import { OutcomeUnknown, StoreUnavailable, StoreUnusable } from '../store.ts'
import { LastKnown } from './last-known.ts'
import type { RedisSettings } from './redis-connection.ts'
import { NotDone, RedisConnection } from './redis-connection.ts'
import { Damaged, headOf, keepingSame, lineageOf, Newer, NO_HEAD, readChange } from './redis-documents.ts'
import { Cursor, RedisFeed } from './redis-feed.ts'
import { RedisKeys } from './redis-keys.ts'
import { RedisRegister } from './redis-register.ts'
import { RedisScripts } from './redis-scripts.ts'
import { ServerClock } from './server-clock.ts'

export interface RedisStoreOptions {
  readonly settings: RedisSettings
  /** One fleet, one prefix. */
  readonly prefix: string
  /** Folder of the last known state. */
  readonly path: string
  /** Told, once for each thing, what somebody should know though no caller failed by it. */
  readonly tell: (level: 'info' | 'warn' | 'error', message: string) => void
  /** Awaited at the start, when there is a connection and nothing has been read yet. */
  readonly onConnected?: () => Promise<void>
}

/** How long a write may take, from the call to the answer: long enough for most fail-overs. */
const COMMIT_MS = 2_000
/** How often it is asked which state there is: after a fail-over the feed may wait for ever (STACK.md). */
const POLL_MS = 1_000
/** How long to wait for Redis at the start: with a last known state to go on from, and without. */
const PATIENCE_MS = { known: 1_000, unknown: 5_000 }
/** How long a write waits for a replica to have it, where there are replicas. */
const REPLICA_MS = 100
/** States that are remembered to have passed here. */
const REMEMBERED = 1_000

/** A state that has passed here, and what made it. */
interface Passed {
  readonly revision: number
  readonly what: string
}

/**
 * The state of a fleet in Redis. Every write is one script, a compare-and-set on the head of the state: what a change
 * was decided on is what it is made on, or it is not made. Changes come back through a stream, each naming the head it
 * starts from: as long as the chain holds nothing was missed, and where it breaks everything is read anew. While Redis
 * is away the state stays as last known, on this machine's disk as well.
 */
export class RedisStore implements Store {
  readonly register: Register
  readonly #keys: RedisKeys
  readonly #connection: RedisConnection
  readonly #scripts: RedisScripts
  readonly #tell: RedisStoreOptions['tell']
  readonly #onConnected: () => Promise<void>
  readonly #lastKnown: LastKnown
  readonly #changes: Cursor
  readonly #reports: Cursor
  readonly #redisFeed: RedisFeed
  readonly #feed = new Feed()
  readonly #clock = new ServerClock()
  readonly #onStatus = new Set<(status: StoreStatus) => void>()
  /** By head, oldest first. */
  readonly #passed = new Map<string, Passed>()
  /** Writes that were given up without knowing what became of them, by the head they would have made. */
  readonly #doubtful = new Map<string, string>()
  #documents: Documents = EMPTY_DOCUMENTS
  #history = new History()
  #status: StoreStatus = { up: false, since: new Date(), detail: 'not connected yet' }
  #counts: StoreCounts = { reloads: 0, lostRevisions: 0, restores: 0 }
  #commits: Promise<unknown> = Promise.resolve()
  #syncing: Promise<void> | null = null
  #poll: NodeJS.Timeout | undefined
  #hasStarted = false
  #isClosed = false

  constructor({ settings, prefix, path, tell, onConnected = async () => undefined }: RedisStoreOptions) {
    this.#tell = tell
    this.#onConnected = onConnected
    this.#keys = new RedisKeys(prefix)
    this.#connection = new RedisConnection(settings)
    this.#scripts = new RedisScripts(this.#connection, this.#keys)
    const register = new RedisRegister(this.#connection, this.#keys)
    this.register = register
    this.#changes = new Cursor(this.#keys.changes, (_id, fields) => this.#hear(fields))
    this.#reports = new Cursor(this.#keys.reports, (_id, fields) => register.hear(fields))
    this.#redisFeed = new RedisFeed(this.#connection, [this.#changes, this.#reports])
    const current = () => ({ documents: this.#documents, history: this.#history.entries(this.#documents) })
    this.#lastKnown = new LastKnown(path, prefix, current, (message) => tell('warn', message))
  }

  /**
   * Reads the state, or takes the last known one while Redis is away. Throws StoreUnusable when neither is there.
   */
  async open(): Promise<Documents> {
    const known = await this.#lastKnown.read()
    if (known !== null) {
      this.#history = new History(known.history)
      this.#documents = known.documents
    }
    this.#connection.open()
    await this.#first(known === null ? PATIENCE_MS.unknown : PATIENCE_MS.known)
    if (!this.#status.up) {
      const { detail } = this.#status
      if (known === null) {
        await this.close()
        throw new StoreUnusable(
          `the store is away (${detail}), and there is no last known state in store.path to start from. Start Redis, or correct store.redis`,
        )
      }
      const { revision } = known.documents
      this.#tell('error', `the store is away (${detail}): starting from the last known state, revision ${revision}`)
    }
    this.#hasStarted = true
    this.#connection.onReady(() => void this.#sync())
    void this.#redisFeed.follow()
    this.#pollOn()
    return this.#documents
  }

  documents(): Documents {
    return this.#documents
  }

  commit(change: Change): Promise<CommitOutcome> {
    const until = performance.now() + COMMIT_MS
    const base = this.#documents
    const outcome = this.#commits.then(() => this.#commit(change, base, until))
    this.#commits = outcome.catch(() => undefined)
    return outcome
  }

  subscribe(listener: StoreListener): () => void {
    return this.#feed.subscribe(listener)
  }

  async history(query: HistoryQuery): Promise<readonly HistoryEntry[]> {
    if (!this.#status.up) return this.#history.newest(query)
    const key = this.#keys.history(query.service)
    const most = Math.max(0, query.limit)
    try {
      const lines = most === 0 ? [] : await this.#connection.command((client) => client.lrange(key, 0, most - 1))
      const entries = lines.map(parseJson)
      return isHistory(entries) ? entries : this.#history.newest(query)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      return this.#history.newest(query)
    }
  }

  status(): StoreStatus {
    return this.#status
  }

  onStatus(listener: (status: StoreStatus) => void): void {
    this.#onStatus.add(listener)
  }

  counts(): StoreCounts {
    return this.#counts
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
    this.#redisFeed.close()
    await this.#commits
    await this.#lastKnown.close()
    this.#connection.close()
  }

  /** Connects and reads for the first time, trying for so long. */
  async #first(patienceMs: number): Promise<void> {
    const until = performance.now() + patienceMs
    let hasConnected = false
    while (!this.#status.up && !this.#isClosed && performance.now() < until) {
      if (!(await this.#connection.ready(until - performance.now()))) break
      if (!hasConnected) await this.#onConnected()
      hasConnected = true
      await this.#sync()
      if (!this.#status.up) await setTimeout(50)
    }
    if (!this.#status.up) this.#away(this.#connection.problem)
  }

  #pollOn(): void {
    this.#poll = globalThis.setTimeout(
      () => void this.#sync().finally(() => this.#isClosed || this.#pollOn()),
      POLL_MS * (1 + Math.random() * 0.5),
    )
  }

  async #commit(change: Change, base: Documents, until: number): Promise<CommitOutcome> {
    if (base !== this.#documents || change.revision !== base.revision + 1) return 'stale'
    const lineage = base.head === EMPTY_DOCUMENTS.head ? randomBytes(6).toString('hex') : lineageOf(base.head)
    const head = headOf(lineage, change.revision, randomBytes(6).toString('hex'))
    const what = change.history.map(({ by, action, service }) => `${action} ${service} by ${by}`).join(', ')
    let maybe = false
    if (!this.#status.up) throw this.#givenUp(maybe, head, what)
    for (;;) {
      try {
        const reply = await this.#scripts.commit(change, nameOf(base), head, this.#clock.at(until))
        switch (reply.kind) {
          case 'committed':
            this.#take(base, head, change)
            return await this.#replicated()
          case 'again':
            await this.#sync()
            return await this.#replicated()
          case 'stale':
            await this.#sync()
            return 'stale'
          case 'late':
            this.#clock.set(reply.timeMs)
            break
          case 'newer':
          case 'damaged':
            await this.#sync()
            throw new NotDone(reply.detail)
        }
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        maybe ||= !(error instanceof NotDone)
        if (performance.now() >= until) this.#away(error.message)
      }
      if (performance.now() >= until) throw this.#givenUp(maybe, head, what)
      await this.#connection.ready(until - performance.now())
      await setTimeout(10)
    }
  }

  /** `maybe`: it was sent, and may have been made before the connection was lost. */
  #givenUp(maybe: boolean, head: string, what: string): StoreUnavailable {
    const detail = this.#status.up ? this.#connection.problem : this.#status.detail
    if (!maybe) return new StoreUnavailable(`the store is away: ${detail}`)
    this.#doubtful.set(head, what)
    return new OutcomeUnknown(`the store was lost while it was asked to write: ${detail}`)
  }

  async #replicated(): Promise<CommitOutcome> {
    if (!this.#connection.isReplicated) return 'committed'
    const count = await this.#connection.replicas(this.#keys.meta, REPLICA_MS).catch(() => 0)
    return count > 0 ? 'committed' : 'unreplicated'
  }

  /** An entry of the feed: the next change, one that is known, or one that shows that something was missed. */
  #hear(fields: ReadonlyMap<string, string>): void {
    const head = fields.get('head') ?? ''
    if (this.#passed.has(head) || head === this.#documents.head) return
    const change = readChange(fields.get('change'))
    if (change !== null && fields.get('base') === nameOf(this.#documents)) this.#take(this.#documents, head, change)
    else void this.#sync()
  }

  /** Goes on from `base` by a change. The feed may have done so before the commit was answered. */
  #take(base: Documents, head: string, change: Change): void {
    if (this.#documents !== base) return
    this.#history.record(change)
    const what = change.history.map(({ by, action, service }) => `${action} ${service} by ${by}`).join(', ')
    this.#become(applyChange(base, change, head), what, change)
  }

  #become(documents: Documents, what: string, change: Change | null): void {
    this.#documents = documents
    this.#passed.delete(documents.head)
    this.#passed.set(documents.head, { revision: documents.revision, what })
    const [oldest] = this.#passed.keys()
    if (this.#passed.size > REMEMBERED && oldest !== undefined) this.#passed.delete(oldest)
    this.#lastKnown.renew()
    this.#feed.tell(documents, change)
  }

  /** Finds out which state there is, and gets it. Never throws; whether the store is away is its status afterwards. */
  #sync(): Promise<void> {
    this.#syncing ??= this.#catchUp().finally(() => {
      this.#syncing = null
    })
    return this.#syncing
  }

  async #catchUp(): Promise<void> {
    if (this.#isClosed) return
    try {
      const probe = await this.#scripts.probe()
      this.#clock.set(probe.timeMs)
      const mine = this.#documents
      const isNew = this.#changes.after === null
      const isEmpty = probe.head === NO_HEAD
      const isSame = probe.head === nameOf(mine)
      // One that somebody has filled again from less than we know, or has begun anew under our eyes, gives way.
      const isLess =
        probe.revision < mine.revision &&
        (probe.isRestored || (this.#status.up && lineageOf(probe.head) !== lineageOf(mine.head)))
      if (mine.revision > 0 && (isEmpty || isLess || (isSame && !probe.isWhole))) {
        await this.#restore(probe.head)
        if (isNew) await this.#reload()
      } else if (isNew || !isSame) {
        if (isNew || !(await this.#replay(probe.head))) await this.#reload()
      }
      await this.#settleDoubts()
      this.#back()
    } catch (error) {
      const { message } = error as Error
      if (error instanceof Damaged) await this.#repair(error)
      else if (error instanceof Newer) this.#away(message)
      else if (error instanceof StoreUnavailable) {
        this.#away(message)
        // A connection that does not answer may lead to a primary that was.
        if (!(error instanceof NotDone)) this.#connection.reconnect()
      } else throw error
    }
  }

  /** Goes on along the feed to `head`. False when it does not lead there. */
  async #replay(head: string): Promise<boolean> {
    const { after } = this.#changes
    if (after === null) return false
    const entries = await this.#connection.command((client) => client.xrange(this.#keys.changes, `(${after}`, '+'))
    for (const [id, flat] of entries) {
      const fields = new Map<string, string>()
      for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i] as string, flat[i + 1] as string)
      const next = fields.get('head') ?? ''
      if (!this.#passed.has(next)) {
        const change = readChange(fields.get('change'))
        if (change === null || fields.get('base') !== nameOf(this.#documents)) return false
        this.#take(this.#documents, next, change)
      }
      this.#changes.after = id
    }
    return nameOf(this.#documents) === head || this.#passed.has(head)
  }

  /** Reads everything. */
  async #reload(): Promise<void> {
    const { timeMs, documents, lastChange, lastReport, heads } = await this.#scripts.load()
    this.#clock.set(timeMs)
    const mine = this.#documents
    const isFirst = this.#changes.after === null
    this.#changes.after = lastChange
    this.#reports.after ??= lastReport
    if (documents.head === mine.head) return
    if (documents.revision === 0 && mine.revision > 0) return
    if (!isFirst) this.#counts = { ...this.#counts, reloads: this.#counts.reloads + 1 }
    this.#findLost(documents, heads)
    this.#become(keepingSame(mine, documents), 'reload', null)
  }

  /** What has passed here and is not in the state's past: lost in a fail-over, or left behind for a longer memory. */
  #findLost(documents: Documents, heads: readonly string[]): void {
    const theirs = new Set(heads)
    const oldest = Math.min(...heads.map((head) => Number(head.split('.')[1])))
    const lost = [...this.#passed].filter(([head, { revision }]) => revision >= oldest && !theirs.has(head))
    if (lost.length === 0 && documents.revision >= this.#documents.revision) return
    for (const [head] of lost) this.#passed.delete(head)
    const count = Math.max(lost.length, this.#documents.revision - documents.revision)
    this.#counts = { ...this.#counts, lostRevisions: this.#counts.lostRevisions + count }
    const which = lost.map(([, { revision, what }]) => `${revision} (${what})`).join(', ')
    this.#tell(
      'error',
      `the store has lost changes, as in a fail-over: from revision ${this.#documents.revision} it is back to ` +
        `${documents.revision}, and so are we. Lost: ${which || `${count} revisions`}`,
    )
  }

  async #restore(found: string): Promise<void> {
    if ((await this.#scripts.restore(this.#documents, nameOf(this.#documents), found)) !== 'restored') return
    this.#counts = { ...this.#counts, restores: this.#counts.restores + 1 }
    const { revision } = this.#documents
    this.#tell('warn', `the store was emptied or damaged; it was filled again with revision ${revision}, as known here`)
  }

  /** What is there makes no sense: it is replaced by what is known, if anything is. */
  async #repair({ message, head }: Damaged): Promise<void> {
    const problem = `the state in Redis is damaged: ${message}`
    if (this.#documents.revision === 0) {
      this.#away(problem)
      return
    }
    this.#tell('error', problem)
    try {
      await this.#restore(head)
      this.#changes.after ??= '0-0'
      this.#back()
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      this.#away(error.message)
    }
  }

  async #settleDoubts(): Promise<void> {
    for (const [head, what] of this.#doubtful) {
      const at = await this.#connection.command((client) => client.lpos(this.#keys.heads, head))
      this.#doubtful.delete(head)
      const outcome = at === null ? 'was not made' : 'was made all the same'
      this.#tell('warn', `of a change it was not known whether it was made (${what}): it ${outcome}`)
    }
  }

  #away(detail: string): void {
    if (!this.#status.up && this.#status.detail === detail) return
    const was = this.#status
    this.#status = { up: false, since: was.up ? new Date() : was.since, detail }
    if (!was.up) return
    this.#tell('error', `the store is away: ${detail}. Traffic goes on as decided; nothing can be changed`)
    for (const listener of this.#onStatus) listener(this.#status)
  }

  #back(): void {
    const was = this.#status
    if (was.up) return
    this.#status = { up: true }
    const { revision } = this.#documents
    if (!this.#hasStarted) return
    const seconds = Math.round((Date.now() - was.since.getTime()) / 100) / 10
    this.#tell('info', `the store is there: revision ${revision}, after ${seconds} s`)
    for (const listener of this.#onStatus) listener(this.#status)
  }
}

/** What the head of these documents is called in Redis. */
function nameOf({ head }: Documents): string {
  return head === EMPTY_DOCUMENTS.head ? NO_HEAD : head
}
