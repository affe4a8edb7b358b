import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import type { Change, Documents } from '../../src/model/state.ts'
import { applyChange } from '../../src/model/state.ts'
import { lineageOf } from '../../src/store/redis/redis-documents.ts'
import { RedisKeys } from '../../src/store/redis/redis-keys.ts'
import { endWithAll } from './redis-support.ts'

const [COMMIT, RESTORE] = ['commit', 'restore'].map((name) =>
  readFileSync(new URL(`fixtures/before-collections/${name}.lua`, import.meta.url), 'utf8'),
) as [string, string]

/** A member of the fleet of the version before there were collections, with the scripts of that version. */
export class OlderInstance {
  readonly #client: Redis
  readonly #keys = new RedisKeys('test')
  #documents: Documents

  /** `documents`: what it has read; it leaves out what it does not know. */
  constructor(url: string, { collections: _, ...documents }: Documents) {
    this.#client = endWithAll(Object.assign(new Redis(url), { stop: () => this.#client.disconnect() }))
    this.#documents = documents
  }

  /** Makes a change of services the next revision. */
  async commit(change: Change): Promise<void> {
    const { meta, services, changes, heads, keyed, history } = this.#keysOf(change)
    const base = this.#documents.head === '0' ? '' : this.#documents.head
    const head = `${base === '' ? 'a1b2c3' : lineageOf(base)}.${change.revision}.0123456789ab`
    const keys = [meta, services, changes, heads, keyed, ...history]
    const documents = Object.entries(change.services).flatMap(([name, each]) => [name, JSON.stringify(each)])
    const entries = change.history.flatMap((entry) => ['', JSON.stringify(entry)])
    const reply = await this.#client.eval(
      COMMIT,
      keys.length,
      ...keys,
      ...[1, base, head, change.revision, Date.now() + 60_000, JSON.stringify(change), ''],
      ...[documents.length / 2, ...documents, 0, change.history.length, ...entries],
    )
    if ((reply as string[])[0] !== 'committed') throw new Error(`the older instance could not commit: ${reply}`)
    this.#documents = applyChange(this.#documents, change, head)
  }

  /** Redis loses everything, and this instance is the first to fill it again. */
  async fillAfterFlush(): Promise<void> {
    const { meta, services, changes, heads, keyed } = this.#keys
    const { revision, head } = this.#documents
    const documents = Object.entries(this.#documents.services).flatMap(([name, each]) => [name, JSON.stringify(each)])
    const keys = [meta, services, keyed, heads, changes]
    const args = [1, '', head, revision, '', documents.length / 2, ...documents, 0]
    const replies = await this.#client
      .multi()
      .flushall()
      .eval(RESTORE, keys.length, ...keys, ...args)
      .exec()
    if (replies?.[1]?.[1] !== 'restored') throw new Error(`the older instance could not fill Redis: ${replies?.[1]}`)
  }

  #keysOf(change: Change) {
    const { meta, services, changes, heads, keyed } = this.#keys
    const history = change.history.map(({ service }) => this.#keys.history(service))
    return { meta, services, changes, heads, keyed, history }
  }
}
