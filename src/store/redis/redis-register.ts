import { createHash } from 'node:crypto'
import { isFields } from '../../model/shape.ts'
import type { JsonObject } from '../../model/state.ts'
import type { BeatOptions, KeptProgress, Register, ReportListener, Sighting } from '../register.ts'
import { parseJson } from '../shape.ts'
import { OutcomeUnknown } from '../store.ts'
import type { Tell } from '../tell.ts'
import { ProgressLog } from './progress-log.ts'
import type { RedisConnection } from './redis-connection.ts'
import { NotDone } from './redis-errors.ts'
import type { RedisKeys } from './redis-keys.ts'
import { script } from './script.ts'
import type { ServerClock } from './server-clock.ts'

const BEAT = script('beat.lua', 'beats.lua', 'progress.lua')
const REPORT = script('report.lua', 'progress.lua')
const STRIKE = script('strike.lua', 'beats.lua', 'progress.lua')
/** Max length of the stream of reports, for all instances: those of a minute in a large fleet. */
const KEEP_REPORTS = 10_000
/** Max time after which all records are read anew in any case, ms; in a large fleet, for so many instances. */
const WHOLE_MS = 30_000
const WHOLE_INSTANCES = 50
/** Age of records that are known to be recent, ms. */
const RECENT_MS = 1_000
/** Max changes of progress in the reply to a beat; if there are more, it has a summary. */
const MAX_CHANGES = 30
/** Progress of instances of older versions, which is in their records. */
const NONE: KeptProgress = { boot: '-', sequence: 0, cut: {}, standing: {} }

/** A record as it was last read. */
interface Known {
  readonly record: JsonObject | null
  /** Time of the server at which it was written, ms. */
  readonly at: number
}

/** See beat.lua. */
type BeatReply = readonly [
  version: string,
  extent: string,
  removed: string,
  now: string,
  records: readonly string[],
  news: readonly string[],
]

/** What tests may set of the register. */
export interface RegisterSettings {
  /** Default 30. */
  readonly maxChanges?: number
}

/**
 * The fleet's register: a hash of the latest record of every instance, the progress of each with a log of its changes, and a
 * stream of messages to all instances.
 */
export class RedisRegister implements Register {
  readonly #connection: RedisConnection
  readonly #keys: RedisKeys
  readonly #clock: ServerClock
  readonly #tell: Tell
  readonly #maxChanges: number
  #listener: ReportListener = () => undefined
  /** All records, as far as they are known. */
  readonly #known = new Map<string, Known>()
  readonly #progress = new ProgressLog()
  /** Of the last reply; empty = the next one must have all records. */
  #version = ''
  /** Time of the last reply with all records, monotonic ms. */
  #wholeAt = 0
  /** Differs between instances that were started together, so that they do not read all records at the same moment. */
  readonly #wholeMs = WHOLE_MS * (0.5 + Math.random() / 2)
  /** Number of times that reports of the others may have been missed. */
  #interruptions = 0
  /** Number of reports and beats of this instance. */
  #messages = 0
  /** Number of reports of this instance that may not have arrived. */
  #lostReports = 0

  constructor(
    connection: RedisConnection,
    keys: RedisKeys,
    clock: ServerClock,
    tell: Tell,
    { maxChanges = MAX_CHANGES }: RegisterSettings = {},
  ) {
    this.#connection = connection
    this.#keys = keys
    this.#clock = clock
    this.#tell = tell
    this.#maxChanges = maxChanges
  }

  async beat(id: string, record: JsonObject, options: BeatOptions = {}): Promise<readonly Sighting[]> {
    const { instances, reports, beats, progress, progressChanges } = this.#keys
    const { lost = [], complete = false } = options
    const json = JSON.stringify(record)
    const sentAt = performance.now()
    const interruptions = this.#interruptions
    const args = [
      id,
      json,
      this.#clock.at(sentAt),
      this.#markOf(options.mark ?? json),
      this.#since(options),
      ...argsOf(options.progress ?? NONE),
      this.#progress.position,
      complete ? -1 : this.#maxChanges,
      complete || this.#progress.needsToldChanges ? 1 : 0,
      ...lost.flatMap((each) => [each.id, each.ageMs, JSON.stringify(each.record)]),
    ]
    this.#version = ''
    this.#messages++
    const reply = await this.#run(BEAT, [instances, reports, beats, progress, progressChanges], args)
    const [version, extent, removed, now, records, news] = reply
    const nowMs = Number(now)
    this.#clock.set(nowMs, sentAt)
    if (removed !== '') this.#tell('error', `the register of instances in Redis was damaged (${removed}) and was reset`)
    const isAll = extent === 'all'
    if (isAll) {
      this.#known.clear()
      this.#wholeAt = sentAt
    }
    const told = this.#take(id, records, news)
    if (isAll) this.#progress.keep(told)
    // What was missed while the reply was on its way may not be in it.
    if (interruptions === this.#interruptions) this.#version = version
    return [...this.#known].flatMap(([each, known]) => {
      if (known.record === null || !Number.isFinite(known.at)) return []
      const isRecent = !told.has(each) && known.record.leaving !== true
      const ageMs = isRecent ? RECENT_MS : nowMs - known.at
      return [{ id: each, record: known.record, ageMs, ...this.#progressOf(each, known.record) }]
    })
  }

  /** Takes the records and the news of a reply. Returns the ids of the records. */
  #take(ownId: string, records: readonly string[], news: readonly string[]): ReadonlySet<string> {
    const entries = new Map<string, string>()
    const told = new Set<string>()
    for (let i = 0; i + 2 < records.length; i += 3) {
      const [id, said, entry] = records.slice(i, i + 3) as [string, string, string]
      told.add(id)
      this.#known.set(id, readRecord(said))
      if (entry !== '' && id !== ownId) entries.set(id, entry)
    }
    const others = [...this.#known].filter(([id, { record }]) => id !== ownId && record?.keepsProgress === true)
    this.#progress.take(
      news,
      entries,
      others.map(([id]) => id),
    )
    return told
  }

  #progressOf(id: string, record: JsonObject): Pick<Sighting, 'progress'> {
    return record.keepsProgress === true ? { progress: this.#progress.of(id) } : {}
  }

  /** The version of the last reply; empty = all records are to be read. */
  #since({ whole = false }: BeatOptions): string {
    const wholeMs = this.#wholeMs * Math.max(1, this.#known.size / WHOLE_INSTANCES)
    return whole || performance.now() - this.#wholeAt > wholeMs ? '' : this.#version
  }

  /** A report that the others may not have received is in the record, which they read then. */
  #markOf(mark: string): string {
    return createHash('sha1').update(`${this.#lostReports} ${mark}`).digest('base64')
  }

  /** Reports of the others may have been missed: the next beat reads all records. */
  missed(): void {
    this.#interruptions++
    this.#version = ''
  }

  async #run(...[beat, keys, args]: Parameters<RedisConnection['run']>): Promise<BeatReply> {
    try {
      return (await this.#connection.run(beat, keys, args)) as BeatReply
    } catch (error) {
      throw error instanceof NotDone ? error : new OutcomeUnknown((error as Error).message, { cause: error })
    }
  }

  report(id: string, progress: KeptProgress, isTold: boolean): void {
    const { progress: key, progressChanges, reports } = this.#keys
    const { standing, ...rest } = progress
    // As older versions read it.
    const said = isTold ? JSON.stringify({ ...rest, ...standing }) : ''
    const args = [id, ...argsOf(progress), said, KEEP_REPORTS]
    const message = ++this.#messages
    // Later ones have newer progress.
    const isOutdated = (): boolean => message < this.#messages
    const lost = (): void => {
      this.#lostReports++
    }
    this.#connection
      .run(REPORT, [key, progressChanges, reports], args, isOutdated)
      .then((done) => (done === null ? lost() : undefined), lost)
  }

  tell(id: string, said: JsonObject): void {
    const json = JSON.stringify(said)
    const { reports } = this.#keys
    this.#connection
      .command((client) => client.xadd(reports, 'MAXLEN', '~', KEEP_REPORTS, '*', 'id', id, 'progress', json))
      .catch(() => {
        this.#lostReports++
      })
  }

  onReport(listener: ReportListener): void {
    this.#listener = listener
  }

  async strike(ids: readonly string[], departure: JsonObject, silentMs: number): Promise<readonly string[]> {
    const args = [silentMs, JSON.stringify(departure), ...ids]
    const { instances, beats, progress, progressChanges } = this.#keys
    const keys = [instances, beats, progress, progressChanges]
    return (await this.#connection.run(STRIKE, keys, args)) as string[]
  }

  async forget(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    const { instances, beats, progress } = this.#keys
    for (const id of ids) this.#known.delete(id)
    await this.#connection.command((client) => client.hdel(progress, ...ids))
    await this.#connection.command((client) => client.hdel(beats, ...ids))
    await this.#connection.command((client) => client.hdel(instances, ...ids))
  }

  /** Handles an entry of the stream of reports. */
  hear(fields: ReadonlyMap<string, string>): void {
    const id = fields.get('id') ?? ''
    const said = parseJson(fields.get('progress') ?? '')
    if (!isFields(said)) return
    const change = fields.get('change')
    if (change === undefined) {
      const message = said as JsonObject
      const { progress } = this.#progressOf(id, message)
      this.#listener(id, message, progress)
      return
    }
    const { boot, sequence, cut, ...standing } = said as JsonObject
    if (typeof boot !== 'string' || typeof sequence !== 'number' || !isFields(cut)) return
    const progress = { boot, sequence, cut: cut as KeptProgress['cut'], standing }
    if (this.#progress.hear(id, change, progress, fields.get('before') ?? ''))
      this.#listener(id, said as JsonObject, this.#progress.of(id))
  }
}

function argsOf({ boot, sequence, cut, standing }: KeptProgress): readonly (string | number)[] {
  return [boot, sequence, JSON.stringify(cut), JSON.stringify(standing)]
}

/** Reads "TIME|record". */
function readRecord(said: string): Known {
  const bar = said.indexOf('|')
  const value = parseJson(said.slice(bar + 1))
  return { record: isFields(value) ? (value as JsonObject) : null, at: Number(said.slice(0, bar)) }
}
