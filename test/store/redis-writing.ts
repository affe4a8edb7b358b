import type { Change } from '../../src/model/state.ts'
import type { RedisNode } from '../../src/store/redis/redis-settings.ts'
import type { RedisStore } from '../../src/store/redis/redis-store.ts'
import { type CommitOutcome, OutcomeUnknown, StoreUnavailable } from '../../src/store/store.ts'
import type { RedisServer } from '../support/redis.ts'
import { changeFor } from './changes.ts'

/** The outcome of a change for its writer. `error`: the reason why it was not made, or why that is unknown. */
export type Written =
  | { readonly kind: Exclude<CommitOutcome, 'stale'> }
  | { readonly kind: 'refused' | 'unknown'; readonly error: StoreUnavailable }

/** A change that can be found again by its note, in the history and in the feed. */
export function noted(revision: number, note: string): Change {
  const change = changeFor(revision, 'shop', note)
  return { ...change, history: change.history.map((entry) => ({ ...entry, reason: note })) }
}

/** Writes a change with this note; repeats it while others are first. */
export async function write(store: RedisStore, note: string): Promise<Written> {
  for (;;) {
    try {
      const kind = await store.commit(noted(store.documents().revision + 1, note))
      if (kind !== 'stale') return { kind }
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      return { kind: error instanceof OutcomeUnknown ? 'unknown' : 'refused', error }
    }
  }
}

/** The notes of what has been made, oldest first, as Redis has them. */
export async function notes(store: RedisStore): Promise<(string | null)[]> {
  const history = await store.history({ service: 'shop', limit: 1_000 })
  return history.map(({ reason }) => reason).reverse()
}

/** What a store tells, from now on: the revisions of the changes, and null for everything read anew. */
export function heard(store: RedisStore): (number | null)[] {
  const revisions: (number | null)[] = []
  store.subscribe((_, change) => revisions.push(change?.revision ?? null))
  return revisions
}

/** 1, 2, 3 … */
export function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1)
}

/** The ids of the connections with that name, as CLIENT LIST has them. */
export async function clientsOf(redis: RedisServer, name: 'cutover-commands' | 'cutover-feed'): Promise<string[]> {
  const lines = (await redis.cli('CLIENT', 'LIST')).split('\n')
  return lines.flatMap((line) => (line.includes(` name=${name} `) ? [/^id=(\d+)/.exec(line)?.[1] ?? ''] : []))
}

/** `HOST:PORT` each, as settings have them. */
export function nodesOf(addresses: readonly string[]): RedisNode[] {
  return addresses.map((address) => {
    const [host = '', port] = address.split(':')
    return { host, port: Number(port) }
  })
}
