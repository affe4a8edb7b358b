import type { Lease } from '../model/leases.ts'
import type { Change, Documents, HistoryEntry, JsonObject } from '../model/state.ts'

/**
 * `stale`: another change took the revision first; decide again on the newer state. `unreplicated`: committed, but no
 * replica has it yet, and if the primary is lost now the change is lost with it.
 */
export type CommitOutcome = 'committed' | 'unreplicated' | 'stale'

/** The store is out of reach or broken. Thrown by `commit`, it says that nothing was changed; but see OutcomeUnknown. */
export class StoreUnavailable extends Error {
  override name = 'StoreUnavailable'
}

/** The store was lost before it had answered: the change may have been made or not. */
export class OutcomeUnknown extends StoreUnavailable {
  override name = 'OutcomeUnknown'
}

/** The store can be read and takes no changes: nothing was changed. The message says why, and what to do. */
export class StoreUnwritable extends StoreUnavailable {
  override name = 'StoreUnwritable'
}

/** The store cannot be used as it is; the message names it and says what can be done. */
export class StoreUnusable extends Error {
  override name = 'StoreUnusable'
}

/** Somebody else has the store. */
export class StoreInUse extends StoreUnusable {
  override name = 'StoreInUse'
}

export interface HistoryQuery {
  /** A service's name, or the subject of a document (`documentSubject`). */
  readonly service: string
  /** At most this many entries. */
  readonly limit: number
}

/** Whether the store can be reached; while it cannot, `documents()` are as last known. */
export type StoreStatus = { readonly up: true } | { readonly up: false; readonly since: Date; readonly detail: string }

/** What a person has to see to about a store that can be read. */
export interface StoreTrouble {
  readonly since: Date
  /** The cause, and what to do. */
  readonly detail: string
  /** No change can be made. */
  readonly stopsWrites: boolean
}

/** Of the history, so much of each service is in `Store.snapshot`. */
export const SNAPSHOT_HISTORY = 100

/** The state and how it came about: what a store is filled with. */
export interface Snapshot {
  readonly documents: Documents
  /** Of each service the oldest first. */
  readonly history: readonly HistoryEntry[]
}

/** What the store has been through since this process started. */
export interface StoreCounts {
  /** Everything was read anew, because the feed had a gap. */
  readonly reloads: number
  /** Revisions that were here and are gone, lost by the store in a fail-over. */
  readonly lostRevisions: number
  /** An emptied or damaged store was filled again from what was known here. */
  readonly restores: number
}

/** `change`: the one that made these documents; null when it is not known what has changed. */
export type StoreListener = (documents: Documents, change: Change | null) => void

/**
 * Rights that one holder at a time has, such as to run a service's rollout. A lease runs out by the store's clock unless it
 * is renewed, and then another holder may take it. Each take makes a new epoch, and with it writes of earlier holders are refused.
 */
export interface Leases {
  /**
   * Takes a lease that is free or has run out, for `ttlMs`; null: it is held. `holder`: who takes it, for people to read.
   * Count `ttlMs` from before the call. Throws StoreUnavailable; after OutcomeUnknown the lease may be held until it
   * runs out.
   */
  take(name: string, holder: string, ttlMs: number): Promise<Lease | null>
  /**
   * Lets a lease run for `ttlMs` from now, even if it has run out, unless another holder has taken it or it was released:
   * then false. Count `ttlMs` from before the call. Throws StoreUnavailable; the lease may then run out as before.
   */
  renew(lease: Lease, ttlMs: number): Promise<boolean>
  /** Frees a lease. Does nothing if another holder has it. Throws StoreUnavailable. */
  release(lease: Lease): Promise<void>
  /**
   * As `Store.commit`, by the holder of a lease. `fenced`: another holder has taken the lease or it was released, and
   * nothing was changed. A lease that has run out and that nobody has taken since is still good for writes.
   */
  commit(lease: Lease, change: Change): Promise<CommitOutcome | 'fenced'>
}

/** Where the state lives. Every change, made here or elsewhere, comes back through the feed, in order of revision. */
export interface Store {
  /** Reads what is there, or what was there last if the store is away. Throws StoreUnusable. Called once, before anything else. */
  open(): Promise<Documents>
  /** The documents as last known. */
  documents(): Documents
  /**
   * Makes sure that `documents()` is no older than this call; listeners have been told by then. Throws StoreUnavailable.
   */
  refresh(): Promise<void>
  /**
   * Makes `change` the next revision, durably and whole, or does nothing. Resolves after the feed has told its
   * listeners. `stale` unless `change.revision` is exactly one above the store's. Throws StoreUnavailable.
   */
  commit(change: Change): Promise<CommitOutcome>
  readonly leases: Leases
  /** Milliseconds since the epoch by the clock of the store, which is the same for all who share it. */
  nowMs(): number
  /** Calls `listener` with the documents after every change, once it is durable. Returns the way to stop that. */
  subscribe(listener: StoreListener): () => void
  /** Newest first. While the store is away, those that are known here. */
  history(query: HistoryQuery): Promise<readonly HistoryEntry[]>
  /** What is known here: the documents, and of each service the newest history. */
  snapshot(): Snapshot
  status(): StoreStatus
  /** What a person has to see to, found by trying now and then; empty = nothing. */
  troubles(): readonly StoreTrouble[]
  /**
   * Calls `listener` when the store has gone away, when it is back and `documents()` are up to date again, and when a
   * trouble has begun or ended.
   */
  onStatus(listener: (status: StoreStatus) => void): void
  counts(): StoreCounts
  /** Keeps the answer to a write with an Idempotency-Key for a day, so that all who share the store can give it again. */
  remember(key: string, answer: JsonObject): Promise<void>
  /** The answer kept under that key. Throws StoreUnavailable. */
  recall(key: string): Promise<JsonObject | null>
  close(): Promise<void>
}

/** Whether a change can be made, as far as is known. */
export function takesChanges(store: Pick<Store, 'status' | 'troubles'>): boolean {
  return store.status().up && !store.troubles().some(({ stopsWrites }) => stopsWrites)
}
