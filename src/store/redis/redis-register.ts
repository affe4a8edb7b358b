import { createHash } from 'node:crypto'
import { isFields } from '../../model/shape.ts'
import type { JsonObject } from '../../model/state.ts'
import type { BeatOptions, Register, Sighting } from '../register.ts'
import { parseJson } from '../shape.ts'
import { OutcomeUnknown } from '../store.ts'
import type { Tell } from '../tell.ts'
import type { RedisConnection } from './redis-connection.ts'
import { pairs } from './redis-documents.ts'
import { NotDone } from './redis-errors.ts'
import type { RedisKeys } from './redis-keys.ts'
import { script } from './script.ts'
import type { ServerClock } from './server-clock.ts'

const BEAT = script('beat.lua', 'beats.lua')
const STRIKE = script('strike.lua', 'beats.lua')
/** Max length of the stream of reports, for all instances: those of a minute in a large fleet. */
const KEEP_REPORTS = 10_000
/** Max time after which all records are read anew in any case, ms. */
const WHOLE_MS = 30_000
/** Age of records that are known to be recent, ms. */
const RECENT_MS = 1_000

/** A record as it was last read. */
interface Known {
  readonly record: JsonObject | null
  /** Time of the server at which it was written, ms. */
  readonly at: number
}

/** The fleet's register: a hash of the latest record of every instance, and a stream of progress reports. */
export class RedisRegister implements Register {
  readonly #connection: RedisConnection
  readonly #keys: RedisKeys
  readonly #clock: ServerClock
  readonly #tell: Tell
  #listener: (id: string, progress: JsonObject) => void = () => undefined
  /** All records, as far as they are known. */
  readonly #known = new Map<string, Known>()
  /** Of the last reply; empty = the next one must have all records. */
  #version = ''
  /** Time of the last reply with all records, monotonic ms. */
  #wholeAt = 0
  /** Differs between instances that were started together, so that they do not read all records at the same moment. */
  readonly #wholeMs = WHOLE_MS * (0.5 + Math.random() / 2)
  /** Number of times that reports of the others may have been missed. */
  #interruptions = 0
  /** Number of reports of this instance that may not have arrived. */
  #lostReports = 0

  constructor(connection: RedisConnection, keys: RedisKeys, clock: ServerClock, tell: Tell) {
    this.#connection = connection
    this.#keys = keys
    this.#clock = clock
    this.#tell = tell
  }

  async beat(id: string, record: JsonObject, options: BeatOptions = {}): Promise<readonly Sighting[]> {
    const { instances, reports, beats } = this.#keys
    const { lost = [], whole = false } = options
    const json = JSON.stringify(record)
    const putBack = lost.flatMap((each) => [each.id, each.ageMs, JSON.stringify(each.record)])
    const sentAt = performance.now()
    const since = whole || sentAt - this.#wholeAt > this.#wholeMs ? '' : this.#version
    // A report that the others may not have received is in the record, which they read then.
    const mark = createHash('sha1')
      .update(`${this.#lostReports} ${options.mark ?? json}`)
      .digest('base64')
    const interruptions = this.#interruptions
    this.#version = ''
    const args = [id, json, this.#clock.at(sentAt), mark, since, ...putBack]
    const [version = '', extent, removed = '', now, ...records] = await this.#run(
      BEAT,
      [instances, reports, beats],
      args,
    )
    const nowMs = Number(now)
    this.#clock.set(nowMs, sentAt)
    if (removed !== '') this.#tell('error', `the register of instances in Redis was damaged (${removed}) and was reset`)
    if (extent === 'all') {
      this.#known.clear()
      this.#wholeAt = sentAt
    }
    const told = pairs(records)
    for (const [each, said] of told) this.#known.set(each, readRecord(said))
    // What was missed while the reply was on its way may not be in it.
    if (interruptions === this.#interruptions) this.#version = version
    return [...this.#known].flatMap(([each, { record: known, at }]) => {
      if (known === null || !Number.isFinite(at)) return []
      const isRecent = !told.has(each) && known.leaving !== true
      return [{ id: each, record: known, ageMs: isRecent ? RECENT_MS : nowMs - at }]
    })
  }

  /** Reports of the others may have been missed: the next beat reads all records. */
  missed(): void {
    this.#interruptions++
    this.#version = ''
  }

  async #run(...[beat, keys, args]: Parameters<RedisConnection['run']>): Promise<readonly string[]> {
    try {
      return (await this.#connection.run(beat, keys, args)) as string[]
    } catch (error) {
      throw error instanceof NotDone ? error : new OutcomeUnknown((error as Error).message, { cause: error })
    }
  }

  report(id: string, progress: JsonObject): void {
    const json = JSON.stringify(progress)
    const { reports } = this.#keys
    this.#connection
      .command((client) => client.xadd(reports, 'MAXLEN', '~', KEEP_REPORTS, '*', 'id', id, 'progress', json))
      .catch(() => {
        this.#lostReports++
      })
  }

  onReport(listener: (id: string, progress: JsonObject) => void): void {
    this.#listener = listener
  }

  async strike(ids: readonly string[], departure: JsonObject, silentMs: number): Promise<readonly string[]> {
    const args = [silentMs, JSON.stringify(departure), ...ids]
    const { instances, beats } = this.#keys
    return (await this.#connection.run(STRIKE, [instances, beats], args)) as string[]
  }

  async forget(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    const { instances, beats } = this.#keys
    for (const id of ids) this.#known.delete(id)
    await this.#connection.command((client) => client.hdel(beats, ...ids))
    await this.#connection.command((client) => client.hdel(instances, ...ids))
  }

  /** Handles an entry of the stream of reports. */
  hear(fields: ReadonlyMap<string, string>): void {
    const progress = parseJson(fields.get('progress') ?? '')
    if (isFields(progress)) this.#listener(fields.get('id') ?? '', progress as JsonObject)
  }
}

/** Reads "TIME|record". */
function readRecord(said: string): Known {
  const bar = said.indexOf('|')
  const value = parseJson(said.slice(bar + 1))
  return { record: isFields(value) ? (value as JsonObject) : null, at: Number(said.slice(0, bar)) }
}
