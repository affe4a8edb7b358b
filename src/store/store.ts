import type { Lease } from '../model/leases.ts'
import type { Change, Documents, HistoryEntry, JsonObject } from '../model/state.ts'
import type { EventLog } from './event-log.ts'

/**
 * `stale`: another change took the revision first; decide again on the newer state. `unreplicated`: committed, but no
 * replica has it yet; if the primary is lost now, the change is lost with it.
 */
export type CommitOutcome = 'committed' | 'unreplicated' | 'stale'

/** The store is out of reach or broken. If `commit` throws it, nothing was changed; except for OutcomeUnknown. */
export class StoreUnavailable extends Error {
  override name = 'StoreUnavailable'
}

/** The store became unreachable before it answered: the change may have been made or not. */
export class OutcomeUnknown extends StoreUnavailable {
  override name = 'OutcomeUnknown'
}

/** The store can be read but not written: nothing was changed. The message gives the cause and the remedy. */
export class StoreUnwritable extends StoreUnavailable {
  override name = 'StoreUnwritable'
}

/** The store cannot be used as it is; the message names it and gives the remedy. */
export class StoreUnusable extends Error {
  override name = 'StoreUnusable'
}

/** Another process uses the store. */
export class StoreInUse extends StoreUnusable {
  override name = 'StoreInUse'
}

export interface HistoryQuery {
  /** A service's name, or the subject of a document (`documentSubject`). */
  readonly service: string
  /** Max number of entries. */
  readonly limit: number
}

/** Whether the store can be reached; while it cannot, `documents()` returns the last known ones. */
export type StoreStatus = { readonly up: true } | { readonly up: false; readonly since: Date; readonly detail: string }

/** A problem of a store that can be read, which needs an operator. */
export interface StoreTrouble {
  readonly since: Date
  /** The cause and the remedy. */
  readonly detail: string
  /** Whether no change can be made. */
  readonly stopsWrites: boolean
}

/** Max history entries of each service in `Store.snapshot`. */
export const SNAPSHOT_HISTORY = 100

/** The documents and their history, from which a store can be filled. */
export interface Snapshot {
  readonly documents: Documents
  /** The oldest entry of each service first. */
  readonly history: readonly HistoryEntry[]
}

/** Counters since the start of this process. */
export interface StoreCounts {
  /** Full reloads, each because of a gap in the feed. */
  readonly reloads: number
  /** Revisions that this process had and the store lost in a fail-over. */
  readonly lostRevisions: number
  /** Restores of an emptied or damaged store from this process. */
  readonly restores: number
}

/** `change`: the change that made these documents; null = unknown, for example after a reload. */
export type StoreListener = (documents: Documents, change: Change | null) => void

/**
 * Exclusive rights, such as the right to run a service's rollout. A lease runs out by the store's clock unless it is
 * renewed; then another holder may take it. Each take begins a new epoch, in which writes of earlier holders are
 * refused.
 */
export interface Leases {
  /**
   * Takes a lease that is free or has run out, for `ttlMs`; null = another holder has it. `holder`: name of the new
   * holder, for people. Count `ttlMs` from before the call. Throws StoreUnavailable; after OutcomeUnknown the lease may
   * be held until it runs out.
   */
  take(name: string, holder: string, ttlMs: number): Promise<Lease | null>
  /**
   * Extends a lease to `ttlMs` from now, even one that has run out. Returns false if another holder has taken it or it
   * was released. Count `ttlMs` from before the call. Throws StoreUnavailable; the lease may then run out as before.
   */
  renew(lease: Lease, ttlMs: number): Promise<boolean>
  /** Frees a lease. Does nothing if another holder has it. Throws StoreUnavailable. */
  release(lease: Lease): Promise<void>
  /**
   * As `Store.commit`, by the holder of a lease. `fenced`: another holder has taken the lease or it was released, and
   * nothing was changed. A lease that has run out is good for writes until another holder takes it.
   */
  commit(lease: Lease, change: Change): Promise<CommitOutcome | 'fenced'>
}

/** Holds the state. The feed delivers every change, of this process or another one, in order of revision. */
export interface Store {
  /**
   * Reads the state, or the last known one if the store is away. Throws StoreUnusable. Call it once, before all else.
   */
  open(): Promise<Documents>
  /** The last known documents. */
  documents(): Documents
  /**
   * Brings `documents()` up to date with the time of this call, and tells the listeners. Throws StoreUnavailable.
   */
  refresh(): Promise<void>
  /**
   * Makes `change` the next revision, durably and atomically. Resolves after the feed has told its listeners. Returns
   * `stale` unless `change.revision` is exactly one above the store's. Throws StoreUnavailable.
   */
  commit(change: Change): Promise<CommitOutcome>
  readonly leases: Leases
  readonly events: EventLog
  /** Milliseconds since the epoch by the clock of the store, which is the same for all instances that share it. */
  nowMs(): number
  /**
   * Calls `listener` with the documents after every change, once it is durable. Returns the function that unsubscribes.
   */
  subscribe(listener: StoreListener): () => void
  /** Returns history entries, newest first; while the store is away, those that this process knows. */
  history(query: HistoryQuery): Promise<readonly HistoryEntry[]>
  /** The documents and the newest history of each service (`SNAPSHOT_HISTORY`), as known to this process. */
  snapshot(): Snapshot
  status(): StoreStatus
  /** Current troubles, found by periodic checks; empty = none. */
  troubles(): readonly StoreTrouble[]
  /**
   * Calls `listener` when the store has gone away, when it is back and `documents()` is up to date again, and when a
   * trouble has begun or ended.
   */
  onStatus(listener: (status: StoreStatus) => void): void
  counts(): StoreCounts
  /**
   * Keeps the answer to a write with an Idempotency-Key for a day; any instance that shares the store can repeat it.
   */
  remember(key: string, answer: JsonObject): Promise<void>
  /** Returns the answer kept under a key; null = none. Throws StoreUnavailable. */
  recall(key: string): Promise<JsonObject | null>
  close(): Promise<void>
}

/** Whether a change can be made, as far as is known. */
export function takesChanges(store: Pick<Store, 'status' | 'troubles'>): boolean {
  return store.status().up && !store.troubles().some(({ stopsWrites }) => stopsWrites)
}
