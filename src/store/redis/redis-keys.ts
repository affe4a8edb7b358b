/** The names of a fleet's keys: all with one hash tag, so that a cluster has them in one place and a script can use them. */
export class RedisKeys {
  readonly meta: string
  readonly services: string
  readonly changes: string
  readonly heads: string
  readonly keyed: string
  /** The documents of all collections, by subject. */
  readonly documents: string
  /** Until when each lease runs, and under which token. */
  readonly leases: string
  readonly instances: string
  readonly reports: string
  /** Where it is tried out what our user may do: a hash, a list and a stream. */
  readonly check: readonly string[]
  readonly #tag: string

  /** `prefix`: one fleet, one prefix. */
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
    this.reports = `${this.#tag}:reports`
    this.check = ['hash', 'list', 'stream'].map((kind) => `${this.#tag}:check:${kind}`)
  }

  /** `subject`: of a service or document, as `HistoryEntry.service`. */
  history(subject: string): string {
    return `${this.#tag}:history:${subject}`
  }

  answer(key: string): string {
    return `${this.#tag}:answer:${key}`
  }
}
