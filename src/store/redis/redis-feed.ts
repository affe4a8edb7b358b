import type { Entries, RedisConnection } from './redis-connection.ts'
import { pairs } from './redis-documents.ts'

/** Compares ids of stream entries, `MS-SEQ`: negative when `a` is before `b`. */
export function compareIds(a: string, b: string): number {
  const [aMs = 0, aSequence = 0] = a.split('-').map(Number)
  const [bMs = 0, bSequence = 0] = b.split('-').map(Number)
  return aMs - bMs || aSequence - bSequence
}

/** A stream that is followed. */
export class Cursor {
  readonly key: string
  readonly #take: (fields: ReadonlyMap<string, string>) => void
  /** The last entry that was taken; null = not followed yet. */
  after: string | null = null

  constructor(key: string, take: (fields: ReadonlyMap<string, string>) => void) {
    this.key = key
    this.#take = take
  }

  /** Goes on behind an entry, if it was not there already. */
  moveTo(id: string): void {
    if (this.after === null || compareIds(id, this.after) > 0) this.after = id
  }

  /** Hands out entries, and goes on behind them. */
  advance(entries: Entries): void {
    for (const [id, flat] of entries) {
      this.moveTo(id)
      this.#take(pairs(flat))
    }
  }
}

/** Follows streams until it is closed; what was missed while the connection was away comes when it is back. */
export class RedisFeed {
  readonly #connection: RedisConnection
  readonly #cursors: readonly Cursor[]
  #isClosed = false

  constructor(connection: RedisConnection, cursors: readonly Cursor[]) {
    this.#connection = connection
    this.#cursors = cursors
  }

  /** Begins; every cursor has its place by now. */
  async follow(): Promise<void> {
    while (!this.#isClosed) {
      const streams = this.#cursors.map(({ key, after }): [string, string] => [key, after ?? '$'])
      // Whether the store is away is for others to say; here it is tried again when the connection is there.
      const read = await this.#connection.read(streams).catch(() => null)
      if (this.#isClosed) return
      if (read === null) await this.#connection.feedReady()
      else for (const cursor of this.#cursors) cursor.advance(read.get(cursor.key) ?? [])
    }
  }

  close(): void {
    this.#isClosed = true
  }
}
