import { randomBytes } from 'node:crypto'
import { findDocument, putDocument } from '../model/document-kind.ts'
import { holdsLease, LEASES, type Lease, type LeaseRecord } from '../model/leases.ts'
import type { Change, Documents } from '../model/state.ts'
import { type CommitOutcome, type Leases, StoreUnavailable } from './store.ts'

/** Other changes came first this often in a row: something is wrong with the store. */
const MAX_TRIES = 100
const TOKEN_BYTES = 12
const NEVER_TAKEN: LeaseRecord = { holder: null, epoch: 0, token: null }

/** What a commit that takes a lease depends on beside its revision, and what it leaves behind. */
export interface LeaseTake {
  readonly name: string
  /** The holding that must have run out; null = the lease is free. */
  readonly from: string | null
  readonly to: string
  readonly ttlMs: number
}

/** What `StoreLeases` needs of its store. */
export interface LeaseStore {
  documents(): Documents
  nowMs(): number
  commit(change: Change): Promise<CommitOutcome>
  /**
   * As `commit`, unless holding `take.from` has not run out by the store's clock (`held`). Where the store does not know how
   * long that one runs, it gets `ttlMs` from now. With the commit, holding `take.to` begins to run.
   */
  take(change: Change, take: LeaseTake): Promise<CommitOutcome | 'held'>
  /** Lets holding `token` run `ttlMs` from now; false when the lease runs under another token. Throws StoreUnavailable. */
  renew(name: string, token: string, ttlMs: number): Promise<boolean>
}

/**
 * The leases of either store. Holder and epoch of a lease are a document, so they outlive restarts and fail-overs as all
 * documents do, and fencing needs no check in the store: a commit is a compare-and-set on the whole state, and fails if
 * the lease was taken meanwhile. How long a holding runs is kept beside the documents, by the store's clock.
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
      // A newer version keeps it in another shape: it is that version's to hold.
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
    // It is made on these documents or not at all, in which the lease is held.
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
  return new StoreUnavailable(`others were first, ${MAX_TRIES} times in a row`)
}
