import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { Change, Documents } from '../../model/state.ts'
import { EMPTY_DOCUMENTS } from '../../model/state.ts'
import type { LeaseTake } from '../leases.ts'
import type { CommitOutcome } from '../store.ts'
import { OutcomeUnknown, StoreUnavailable, StoreUnwritable } from '../store.ts'
import type { Tell } from '../tell.ts'
import type { Troubles } from '../troubles.ts'
import type { Availability } from './availability.ts'
import { describeChange, type KnownState } from './known-state.ts'
import type { RedisConnection } from './redis-connection.ts'
import { headOf, lineageOf } from './redis-documents.ts'
import { NotDone } from './redis-errors.ts'
import type { RedisKeys } from './redis-keys.ts'
import type { CommitReply, RedisScripts } from './redis-scripts.ts'
import type { ServerClock } from './server-clock.ts'

/** Max duration of a write, from the call to the answer, ms: long enough for most fail-overs. */
const COMMIT_MS = 2_000
/** Max wait for a replica to receive a write, ms, if there are replicas. */
const REPLICA_MS = 100

interface WriterParts {
  readonly connection: RedisConnection
  readonly scripts: RedisScripts
  readonly keys: RedisKeys
  readonly known: KnownState
  readonly availability: Availability
  readonly clock: ServerClock
  readonly tell: Tell
  readonly troubles: Troubles
  /** Brings the known state up to date with Redis. */
  readonly sync: () => Promise<void>
}

/**
 * Writes changes, one after the other. Each has a unique head by which the script recognizes it, so that it can be sent
 * until it is answered, and is made only once. After its deadline the script refuses it, even if it is still on its
 * way.
 */
export class RedisWriter {
  readonly #parts: WriterParts
  #queue: Promise<unknown> = Promise.resolve()
  /** Descriptions of writes whose outcome is unknown, by the head they would have made. */
  readonly #uncertain = new Map<string, string>()

  constructor(parts: WriterParts) {
    this.#parts = parts
  }

  /** As `Store.commit`; with `take` as `LeaseStore.take`. */
  commit(change: Change): Promise<CommitOutcome>
  commit(change: Change, take: LeaseTake): Promise<CommitOutcome | 'held'>
  commit(change: Change, take: LeaseTake | null = null): Promise<CommitOutcome | 'held'> {
    const until = performance.now() + COMMIT_MS
    const base = this.#parts.known.documents
    const outcome = this.#queue.then(() => this.#commit(change, take, base, until))
    this.#queue = outcome.catch(() => undefined)
    return outcome
  }

  /** Resolves when no write is in progress. */
  async idle(): Promise<void> {
    await this.#queue
  }

  /** Finds out and logs whether writes of unknown outcome were made. Throws StoreUnavailable. */
  async reportUncertainWrites(): Promise<void> {
    const { connection, keys, tell } = this.#parts
    for (const [head, what] of this.#uncertain) {
      const at = await connection.command((client) => client.lpos(keys.heads, head))
      this.#uncertain.delete(head)
      const outcome = at === null ? 'was not made' : 'was made'
      tell('warn', `a change whose outcome was unknown (${what}) ${outcome}`)
    }
  }

  async #commit(
    change: Change,
    take: LeaseTake | null,
    base: Documents,
    until: number,
  ): Promise<CommitOutcome | 'held'> {
    const { known, scripts, clock, availability, connection, troubles, sync } = this.#parts
    if (base !== known.documents || change.revision !== base.revision + 1) return 'stale'
    const isFirst = base.head === EMPTY_DOCUMENTS.head
    const lineage = isFirst ? nonce() : lineageOf(base.head)
    const head = headOf(lineage, change.revision, nonce())
    let maybe = false
    let problem = 'it did not answer in time'
    /** The refusal of a Redis that can be reached. */
    let refusal: NotDone | null = null
    const { status } = availability
    if (!status.up) throw this.#givenUp(maybe, head, change, status.detail)
    for (;;) {
      const sentAt = performance.now()
      const reply = await this.#try(() => scripts.commit(change, base, head, clock.at(until), take))
      if (!(reply instanceof StoreUnavailable)) {
        switch (reply.kind) {
          case 'committed':
            troubles.clear('writes')
            known.follow(base, head, change)
            return this.#replicated()
          case 'again':
            known.follow(base, head, change)
            await sync()
            return this.#replicated()
          case 'held':
            return 'held'
          case 'stale':
            await sync()
            // The state in Redis is to be replaced by the known one, and was not yet.
            if (known.documents === base) this.#refuseLosing()
            return 'stale'
          case 'late':
            clock.set(reply.timeMs, sentAt)
            break
          case 'damaged':
            // `sync` repairs the state if there is a known one.
            problem = reply.detail
            await sync()
            // If the known state has changed, the state in Redis was right, and the change was not made on it.
            if (known.documents !== base) return 'stale'
            this.#refuseLosing()
            break
          case 'newer':
            await sync()
            throw this.#givenUp(maybe, head, change, reply.detail)
        }
      } else {
        problem = reply.message
        refusal = reply instanceof NotDone && connection.isReady && !isReplica(reply) ? reply : null
        maybe ||= !(reply instanceof NotDone)
      }
      if (performance.now() >= until) {
        // A store that refuses writes is not away: reads still work.
        const isThere = connection.isReady && (reply instanceof NotDone || !(reply instanceof StoreUnavailable))
        if (!isThere) availability.away(problem)
        else if (refusal !== null && !maybe) {
          troubles.set('writes', problem)
          throw new StoreUnwritable(problem, { cause: refusal })
        }
        throw this.#givenUp(maybe, head, change, problem)
      }
      await connection.ready(until - performance.now())
      await setTimeout(10)
    }
  }

  #refuseLosing(): void {
    const losing = this.#parts.troubles.get('contents')
    if (losing !== null) throw new StoreUnwritable(`the store does not keep the state: ${losing.detail}`)
  }

  async #try(send: () => Promise<CommitReply>): Promise<CommitReply | StoreUnavailable> {
    try {
      return await send()
    } catch (error) {
      if (error instanceof StoreUnavailable) return error
      throw error
    }
  }

  /** `maybe`: the change was sent, and may have been made before the connection was lost. */
  #givenUp(maybe: boolean, head: string, change: Change, detail: string): StoreUnavailable {
    if (!maybe) return new StoreUnavailable(`the store is away: ${detail}`)
    this.#uncertain.set(head, describeChange(change))
    return new OutcomeUnknown(`the store was lost during the write: ${detail}`)
  }

  async #replicated(): Promise<CommitOutcome> {
    const { connection, keys } = this.#parts
    if (!connection.isReplicated) return 'committed'
    const count = await connection.replicas(keys.meta, REPLICA_MS).catch(() => 0)
    return count > 0 ? 'committed' : 'unreplicated'
  }
}

/** Whether a replica answered: its data may be behind, so the store counts as away. */
function isReplica({ cause }: NotDone): boolean {
  return cause instanceof Error && cause.message.startsWith('READONLY')
}

function nonce(): string {
  return randomBytes(6).toString('hex')
}
