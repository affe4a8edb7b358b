import type { PendingTicks, TickExchange } from '../ticks.ts'
import type { RedisConnection } from './redis-connection.ts'
import { pairs } from './redis-documents.ts'
import { Cursor } from './redis-feed.ts'
import type { RedisKeys } from './redis-keys.ts'
import { script } from './script.ts'

const SEND = script('send-ticks.lua')
const PUBLISH = script('publish-ticks.lua')
/** How long ticks wait to be summed up, at most. */
const KEPT_MS = 120_000
/** How long everything is kept that has not been written since; longer than any outage that matters. */
const FORGOTTEN_S = 7_200
/** Number of sums that are kept, one for each second, for instances that start. */
const KEPT_SUMS = 300
/** A turn is over before the ticks of the next second come. */
const TURN_MS = 700
/** Max ticks that are summed up at once. */
const MAX_TICKS = 2_000
/** Position before all ticks. */
const START = '0-0'

/**
 * Two streams: the ticks of all instances, and their sums. Each tick is summed up once, because the position up to which
 * that was done moves in the same step in which the sum is published.
 */
export class RedisTicks implements TickExchange {
  /** Reads the sums that are still there, then each new one. */
  readonly cursor: Cursor
  readonly #connection: RedisConnection
  readonly #keys: RedisKeys
  #listener: (sum: string, isNext: boolean) => void = () => undefined
  /** Id of the last sum that was read; empty = none yet. */
  #last = ''

  constructor(connection: RedisConnection, keys: RedisKeys) {
    this.#connection = connection
    this.#keys = keys
    this.cursor = new Cursor(keys.tickSums, (fields, id) => this.#hear(fields, id))
    this.cursor.moveTo(START)
  }

  async send(source: string, sequence: number, ticks: string): Promise<{ isTurn: boolean }> {
    const { ticks: stream, tickPosition, tickTurn } = this.#keys
    const keys = [stream, tickPosition, this.#keys.tickSequence(source), tickTurn]
    const reply = await this.#connection.run(SEND, keys, [source, sequence, ticks, KEPT_MS, FORGOTTEN_S, TURN_MS])
    return { isTurn: reply === 1 }
  }

  async pending(): Promise<PendingTicks> {
    const { ticks: stream, tickPosition } = this.#keys
    const after = (await this.#connection.command((client) => client.hget(tickPosition, 'to'))) ?? START
    const entries = await this.#connection.command((client) =>
      client.xrange(stream, `(${after}`, '+', 'COUNT', MAX_TICKS),
    )
    const ticks = entries.flatMap(([, fields]) => pairs(fields).get('ticks') ?? [])
    return { after, to: entries.at(-1)?.[0] ?? after, ticks }
  }

  async publish({ after, to }: PendingTicks, sum: string): Promise<boolean> {
    const { tickPosition, tickSums } = this.#keys
    const args = [after, to, sum, KEPT_SUMS, FORGOTTEN_S]
    return (await this.#connection.run(PUBLISH, [tickPosition, tickSums], args)) === 1
  }

  onSum(listener: (sum: string, isNext: boolean) => void): void {
    this.#listener = listener
  }

  #hear(fields: ReadonlyMap<string, string>, id: string): void {
    const isNext = this.#last === '' || fields.get('previous') === this.#last
    this.#last = id
    this.#listener(fields.get('sum') ?? '', isNext)
  }
}
