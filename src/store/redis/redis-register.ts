import { isFields } from '../../model/shape.ts'
import type { JsonObject } from '../../model/state.ts'
import type { Register, Sighting } from '../register.ts'
import { parseJson } from '../shape.ts'
import { OutcomeUnknown } from '../store.ts'
import type { Tell } from '../tell.ts'
import type { RedisConnection } from './redis-connection.ts'
import { pairs } from './redis-documents.ts'
import { NotDone } from './redis-errors.ts'
import type { RedisKeys } from './redis-keys.ts'
import { script } from './script.ts'
import type { ServerClock } from './server-clock.ts'

const BEAT = script('beat.lua')
const STRIKE = script('strike.lua')
/** Max length of the stream of reports, for all instances. Older reports are not lost: the next beat repeats them. */
const KEEP_REPORTS = 1_000

/** The fleet's register: a hash of the latest record of every instance, and a stream of progress reports. */
export class RedisRegister implements Register {
  readonly #connection: RedisConnection
  readonly #keys: RedisKeys
  readonly #clock: ServerClock
  readonly #tell: Tell
  #listener: (id: string, progress: JsonObject) => void = () => undefined

  constructor(connection: RedisConnection, keys: RedisKeys, clock: ServerClock, tell: Tell) {
    this.#connection = connection
    this.#keys = keys
    this.#clock = clock
    this.#tell = tell
  }

  async beat(id: string, record: JsonObject, lost: readonly Sighting[] = []): Promise<readonly Sighting[]> {
    const { instances, reports } = this.#keys
    const putBack = lost.flatMap((each) => [each.id, each.ageMs, JSON.stringify(each.record)])
    const sentAt = performance.now()
    const args = [id, JSON.stringify(record), this.#clock.at(sentAt), ...putBack]
    const reply = await this.#run(BEAT, [instances, reports], args)
    const [removed = '', now] = reply.slice(-2)
    const nowMs = Number(now)
    this.#clock.set(nowMs, sentAt)
    if (removed !== '') this.#tell('error', `the register of instances in Redis was damaged (${removed}) and was reset`)
    return [...pairs(reply.slice(0, -2))].flatMap(([each, said]) => {
      const at = said.indexOf('|')
      const value = parseJson(said.slice(at + 1))
      const ageMs = nowMs - Number(said.slice(0, at))
      return isFields(value) && Number.isFinite(ageMs) ? [{ id: each, record: value as JsonObject, ageMs }] : []
    })
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
      // The next beat repeats it.
      .catch(() => undefined)
  }

  onReport(listener: (id: string, progress: JsonObject) => void): void {
    this.#listener = listener
  }

  async strike(ids: readonly string[], departure: JsonObject, silentMs: number): Promise<readonly string[]> {
    const args = [silentMs, JSON.stringify(departure), ...ids]
    return (await this.#connection.run(STRIKE, [this.#keys.instances], args)) as string[]
  }

  async forget(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#connection.command((client) => client.hdel(this.#keys.instances, ...ids))
  }

  /** Handles an entry of the stream of reports. */
  hear(fields: ReadonlyMap<string, string>): void {
    const progress = parseJson(fields.get('progress') ?? '')
    if (isFields(progress)) this.#listener(fields.get('id') ?? '', progress as JsonObject)
  }
}
