import { randomBytes } from 'node:crypto'
import { findDocument, putDocument } from '../model/document-kind.ts'
import { holdsLease, LEASES, type Lease, type LeaseRecord } from '../model/leases.ts'
import type { Change, Documents } from '../model/state.ts'
import { type CommitOutcome, type Leases, StoreUnavailable } from './store.ts'

/** Max attempts at a commit. If other changes come first this often in a row, something is wrong with the store. */
const MAX_TRIES = 100
const TOKEN_BYTES = 12
const NEVER_TAKEN: LeaseRecord = { holder: null, epoch: 0, token: null }

/** The change of holder that a commit makes; the commit depends on it in addition to its revision. */
export interface LeaseTake {
  readonly name: string
  /** Token of the holding that must have run out; null = the lease is free. */
  readonly from: string | null
  /** Token of the new holding. */
  readonly to: string
  /** Duration of the new holding, ms. */
  readonly ttlMs: number
}

/** The part of a store that `StoreLeases` uses. */
export interface LeaseStore {
  documents(): Documents
  nowMs(): number
  commit(change: Change): Promise<CommitOutcome>
  /**
   * As `commit`, but returns `held` if holding `take.from` has not run out by the store's clock. If the store does not
   * know when that holding runs out, it gives it `ttlMs` from now. The commit starts holding `take.to`.
   */
  take(change: Change, take: LeaseTake): Promise<CommitOutcome | 'held'>
  /**
   * Extends holding `token` to `ttlMs` from now; false = the lease runs under another token. Throws StoreUnavailable.
   */
  renew(name: string, token: string, ttlMs: number): Promise<boolean>
}

/**
 * The leases of either store. Holder and epoch of a lease are a document, so they outlive restarts and fail-overs as
 * all documents do. Fencing needs no check in the store: a commit is a compare-and-set on the whole state, and fails if
 * the lease was taken meanwhile. The end of a holding is kept beside the documents, by the store's clock.
 */
export class StoreLeases implements Leases {
  readonly #store: LeaseStore

  constructor(store: LeaseStore) {
    this.#store = store
  }

  async take(name: string, holder: string, ttlMs: number): Promise<Lease | null> {
    const to = randomBytes(TOKEN_BYTES).toString('hex')
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const found = findDocument(LEASES, this.#store.documents(), name)
      // A newer version keeps the lease in another shape: only that version can hold it.
      if (found === 'unreadable') return null
      const { epoch: last, token: from } = found?.value ?? NEVER_TAKEN
      const epoch = last + 1
      const change = this.#change(name, { holder, epoch, token: to })
      const outcome = await this.#store.take(change, { name, from, to, ttlMs })
      if (outcome === 'held') return null
      if (outcome !== 'stale') return { name, holder, epoch, token: to }
    }
    throw tooMany()
  }

  async renew(lease: Lease, ttlMs: number): Promise<boolean> {
    return holdsLease(this.#store.documents(), lease) && (await this.#store.renew(lease.name, lease.token, ttlMs))
  }

  async release(lease: Lease): Promise<void> {
    const { name, epoch } = lease
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const outcome = await this.commit(lease, this.#change(name, { holder: null, epoch, token: null }))
      if (outcome !== 'stale') return
    }
    throw tooMany()
  }

  async commit(lease: Lease, change: Change): Promise<CommitOutcome | 'fenced'> {
    if (!holdsLease(this.#store.documents(), lease)) return 'fenced'
    // The commit succeeds only on these documents, in which the lease is held.
    const outcome = await this.#store.commit(change)
    return outcome === 'stale' && !holdsLease(this.#store.documents(), lease) ? 'fenced' : outcome
  }

  #change(name: string, record: LeaseRecord): Change {
    const revision = this.#store.documents().revision + 1
    const at = new Date(this.#store.nowMs()).toISOString()
    return { revision, at, services: {}, collections: putDocument(LEASES, name, record, revision), history: [] }
  }
}

function tooMany(): StoreUnavailable {
  return new StoreUnavailable(`other changes came first ${MAX_TRIES} times in a row`)
}
