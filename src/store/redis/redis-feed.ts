import { compareIds } from '../entry-ids.ts'
import type { Entries, RedisConnection } from './redis-connection.ts'
import { pairs } from './redis-documents.ts'

/** A stream and the position up to which it was read. */
export class Cursor {
  readonly key: string
  readonly #take: (fields: ReadonlyMap<string, string>, id: string) => void
  /** Id of the last entry that was read; null = no position yet. */
  after: string | null = null

  constructor(key: string, take: (fields: ReadonlyMap<string, string>, id: string) => void) {
    this.key = key
    this.#take = take
  }

  /** Moves the position behind an entry; never backwards. */
  moveTo(id: string): void {
    if (this.after === null || compareIds(id, this.after) > 0) this.after = id
  }

  /** Delivers entries, and moves the position behind them. */
  advance(entries: Entries): void {
    for (const [id, flat] of entries) {
      this.moveTo(id)
      this.#take(pairs(flat), id)
    }
  }
}

/** Follows streams until it is closed. Entries missed while the connection was away are delivered when it is back. */
export class RedisFeed {
  readonly #connection: RedisConnection
  readonly #cursors: readonly Cursor[]
  readonly #onInterrupted: () => void
  #isClosed = false

  /** `onInterrupted`: called when reading has failed: entries that are not kept for long may be missed. */
  constructor(connection: RedisConnection, cursors: readonly Cursor[], onInterrupted: () => void) {
    this.#connection = connection
    this.#cursors = cursors
    this.#onInterrupted = onInterrupted
  }

  /** Reads the streams until `close`. A cursor without a position begins at the end of its stream. */
  async follow(): Promise<void> {
    while (!this.#isClosed) {
      const streams = this.#cursors.map(({ key, after }): [string, string] => [key, after ?? '$'])
      // RedisSync reports the store as away; here it is enough to read again when the connection is back.
      const read = await this.#connection.read(streams).catch(() => null)
      if (this.#isClosed) return
      if (read === null) {
        this.#onInterrupted()
        await this.#connection.feedReady()
      } else for (const cursor of this.#cursors) cursor.advance(read.get(cursor.key) ?? [])
    }
  }

  close(): void {
    this.#isClosed = true
  }
}
