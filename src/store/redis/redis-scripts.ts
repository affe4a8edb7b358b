import { countDocuments, flatten, removesSubject } from '../../model/collections.ts'
import { eventsOf } from '../../model/events.ts'
import type { Change, Documents, HistoryEntry } from '../../model/state.ts'
import type { LeaseTake } from '../leases.ts'
import { StoreUnavailable } from '../store.ts'
import { eventArguments } from './event-entries.ts'
import type { RedisConnection } from './redis-connection.ts'
import { checkFormat, FORMAT, headInRedis, type Loaded, type Probe, readLoaded, readProbe } from './redis-documents.ts'
import { NotDone, REFUSED } from './redis-errors.ts'
import type { RedisKeys } from './redis-keys.ts'
import { script } from './script.ts'

const CHECK = script('check.lua')
const COMMIT = script('commit.lua', 'log-event.lua')
const LOAD = script('load.lua')
const PROBE = script('probe.lua')
const RENEW = script('renew.lua')
const RESTORE = script('restore.lua')

export type CommitReply =
  | { readonly kind: 'committed' | 'again' | 'stale' }
  /** The change takes a lease whose holding has not run out. */
  | { readonly kind: 'held' }
  /** The change arrived after its deadline; `timeMs`: time of the server. */
  | { readonly kind: 'late'; readonly timeMs: number }
  | { readonly kind: 'newer' | 'damaged'; readonly detail: string }

/** Functions that call the Lua scripts, one per script; all throw StoreUnavailable. */
export class RedisScripts {
  readonly #connection: RedisConnection
  readonly #keys: RedisKeys

  constructor(connection: RedisConnection, keys: RedisKeys) {
    this.#connection = connection
    this.#keys = keys
  }

  /** Checks that the user has the rights that the other scripts need. */
  async check(): Promise<void> {
    try {
      await this.#connection.run(CHECK, this.#keys.check, [])
    } catch (error) {
      // The check changes nothing of the state, so the command counts as not done; and another connection would not
      // help.
      if (error instanceof StoreUnavailable && error.message.includes(REFUSED)) throw new NotDone(error.message)
      throw error
    }
  }

  /**
   * Commits a change. `before`: the state that it is made on; `head`: that of the next state; `untilMs`: time of the
   * server's clock after which the change is refused; `take`: the lease that the change takes, null = none.
   */
  async commit(
    change: Change,
    before: Documents,
    head: string,
    untilMs: number,
    take: LeaseTake | null,
  ): Promise<CommitReply> {
    const { meta, services, changes, heads, keyed, documents, leases, events, open } = this.#keys
    const histories = change.history.map(({ service }) => this.#keys.history(service))
    const reply = await this.#connection.run(
      COMMIT,
      [meta, services, changes, heads, keyed, documents, leases, events, open, ...histories],
      [
        FORMAT,
        headInRedis(before),
        head,
        change.revision,
        untilMs,
        JSON.stringify(change),
        change.configuration === undefined ? '' : JSON.stringify(change.configuration),
        countDocuments(before),
        ...(take === null ? ['', '', '', 0] : [take.name, take.from ?? '', take.to, take.ttlMs]),
        ...counted(Object.entries(change.services)),
        ...counted(Object.entries(change.keyed ?? {})),
        ...counted(flatten(change.collections)),
        change.history.length,
        ...change.history.flatMap((entry) => [
          removesSubject(change, entry.service) ? 'removed' : '',
          JSON.stringify(entry),
        ]),
        ...eventsOf(change).flatMap(eventArguments),
      ],
    )
    const [kind, detail = ''] = reply as [CommitReply['kind'], string?]
    if (kind === 'late') return { kind, timeMs: Number(detail) }
    if (kind === 'damaged') return { kind, detail: `the state in Redis is damaged: ${detail}` }
    if (kind === 'newer')
      return { kind, detail: `the state in Redis was written by a newer Cutover (format ${detail})` }
    return { kind }
  }

  /** Reads the whole state. Also throws Newer and Damaged. */
  async load(): Promise<Loaded> {
    const { meta, services, changes, keyed, reports, heads, documents } = this.#keys
    const keys = [meta, services, changes, keyed, reports, heads, documents]
    return readLoaded(await this.#connection.run(LOAD, keys, []))
  }

  /** Identifies the state in Redis. Also throws Newer and Damaged. */
  async probe(): Promise<Probe> {
    const { meta, services, changes, heads, keyed, documents } = this.#keys
    return readProbe(await this.#connection.run(PROBE, [meta, services, changes, heads, keyed, documents], []))
  }

  /** As `LeaseStore.renew`. */
  async renew(name: string, token: string, ttlMs: number): Promise<boolean> {
    return (await this.#connection.run(RENEW, [this.#keys.leases], [name, token, ttlMs])) === 'renewed'
  }

  /** Fills the store. `history`: oldest first; `found`: the head in Redis to replace. Also throws Newer. */
  async restore(
    documents: Documents,
    history: readonly HistoryEntry[],
    head: string,
    found: string,
  ): Promise<'restored' | 'there'> {
    const entries = Map.groupBy(history, ({ service }) => service)
    const { meta, services, keyed, heads, changes, leases } = this.#keys
    const histories = [...entries.keys()].map((subject) => this.#keys.history(subject))
    const { revision, configuration } = documents
    const outcome = await this.#connection.run(
      RESTORE,
      [meta, services, keyed, this.#keys.documents, leases, heads, changes, ...histories],
      [
        FORMAT,
        found,
        head,
        revision,
        configuration === null ? '' : JSON.stringify(configuration),
        ...counted(Object.entries(documents.services)),
        ...counted(Object.entries(documents.keyed ?? {})),
        ...counted(flatten(documents.collections)),
        ...[...entries.values()].flatMap((each) => [each.length, ...each.map((entry) => JSON.stringify(entry))]),
      ],
    )
    if (outcome === 'newer') checkFormat(String(FORMAT + 1))
    return outcome === 'restored' ? 'restored' : 'there'
  }
}

/** The number of entries, then name and JSON of each; null becomes an empty text. */
function counted(entries: readonly (readonly [string, object | null])[]): (string | number)[] {
  return [entries.length, ...entries.flatMap(([name, value]) => [name, value === null ? '' : JSON.stringify(value)])]
}
