/**
 * Names of a fleet's keys, all with one hash tag: a cluster keeps them on one node, so that scripts can use them
 * together.
 */
export class RedisKeys {
  readonly meta: string
  readonly services: string
  readonly changes: string
  readonly heads: string
  readonly keyed: string
  /** The documents of all collections, by subject. */
  readonly documents: string
  /** End and token of each lease's holding. */
  readonly leases: string
  readonly instances: string
  /** When each record of an instance was written, and which of them have changed; see beats.lua. */
  readonly beats: string
  readonly reports: string
  /** The newest progress of each instance, and the changes of it; see progress.lua. */
  readonly progress: string
  readonly progressChanges: string
  /** Counts of the instances, and their sums; see `RedisTicks`. */
  readonly ticks: string
  readonly tickTurn: string
  readonly tickPosition: string
  readonly tickSums: string
  readonly events: string
  /** What has begun with an event and not ended, by subject. */
  readonly open: string
  /** Positions of readers of events that several instances share. */
  readonly cursors: string
  /** Keys for the check of the user's rights: a hash, a list and a stream. */
  readonly check: readonly string[]
  readonly #tag: string

  /** `prefix`: distinguishes fleets that share a Redis. */
  constructor(prefix: string) {
    this.#tag = `{${prefix}}`
    this.meta = `${this.#tag}:meta`
    this.services = `${this.#tag}:services`
    this.changes = `${this.#tag}:changes`
    this.heads = `${this.#tag}:heads`
    this.keyed = `${this.#tag}:keyed`
    this.documents = `${this.#tag}:documents`
    this.leases = `${this.#tag}:leases`
    this.instances = `${this.#tag}:instances`
    this.beats = `${this.#tag}:beats`
    this.reports = `${this.#tag}:reports`
    this.progress = `${this.#tag}:progress`
    this.progressChanges = `${this.#tag}:progress:changes`
    this.ticks = `${this.#tag}:ticks`
    this.tickTurn = `${this.#tag}:ticks:turn`
    this.tickPosition = `${this.#tag}:ticks:position`
    this.tickSums = `${this.#tag}:ticks:sums`
    this.events = `${this.#tag}:events`
    this.open = `${this.#tag}:open`
    this.cursors = `${this.#tag}:cursors`
    this.check = ['hash', 'list', 'stream'].map((kind) => `${this.#tag}:check:${kind}`)
  }

  /** `subject`: a service or document, as in `HistoryEntry.service`. */
  history(subject: string): string {
    return `${this.#tag}:history:${subject}`
  }

  /** Number of the last ticks of a source. */
  tickSequence(source: string): string {
    return `${this.#tag}:ticks:sequence:${source}`
  }

  /** Number of the last event of a writer. */
  writer(id: string): string {
    return `${this.#tag}:writer:${id}`
  }

  answer(key: string): string {
    return `${this.#tag}:answer:${key}`
  }
}
