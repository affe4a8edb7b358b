import type { Change, Documents, HistoryEntry } from '../model/state.ts'

/** `stale`: another change took the revision first; decide again on the newer state. */
export type CommitOutcome = 'committed' | 'stale'

/** The store is out of reach or broken; nothing was changed. */
export class StoreUnavailable extends Error {
  override name = 'StoreUnavailable'
}

/** The store's files cannot be used as they are; the message names the file and says what can be done. */
export class StoreUnusable extends Error {
  override name = 'StoreUnusable'
}

/** Somebody else has the store. */
export class StoreInUse extends StoreUnusable {
  override name = 'StoreInUse'
}

export interface HistoryQuery {
  readonly service: string
  /** At most this many entries. */
  readonly limit: number
}

/** Where the state lives. Every change, made here or elsewhere, comes back through the feed, in order of revision. */
export interface Store {
  /** Reads what is there. Throws StoreUnusable. Called once, before anything else. */
  open(): Promise<Documents>
  /** The documents as last known. */
  documents(): Documents
  /**
   * Makes `change` the next revision, durably and whole, or does nothing. Resolves after the feed has told its
   * listeners. `stale` unless `change.revision` is exactly one above the store's. Throws StoreUnavailable.
   */
  commit(change: Change): Promise<CommitOutcome>
  /** Calls `listener` with every change after it is durable. Returns the way to stop that. */
  subscribe(listener: (change: Change, documents: Documents) => void): () => void
  /** Newest first. */
  history(query: HistoryQuery): Promise<readonly HistoryEntry[]>
  close(): Promise<void>
}
