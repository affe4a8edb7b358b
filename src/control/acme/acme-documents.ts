import type { Lease } from '../../model/leases.ts'
import type { Change, Documents } from '../../model/state.ts'
import type { Store } from '../../store/store.ts'

type Collections = NonNullable<Change['collections']>

/** Max attempts while other changes come first; more mean that the store is faulty. */
const MAX_TRIES = 100

/** Another instance orders certificates now. */
export class LeaseLost extends Error {
  override name = 'LeaseLost'
}

/** Writes documents about ACME. `lease`: as its holder; null = no other instance uses the store. */
export class AcmeDocuments {
  private readonly store: Pick<Store, 'documents' | 'commit' | 'leases' | 'refresh' | 'nowMs'>
  private readonly lease: Lease | null

  constructor(store: Pick<Store, 'documents' | 'commit' | 'leases' | 'refresh' | 'nowMs'>, lease: Lease | null) {
    this.store = store
    this.lease = lease
  }

  get now(): Documents {
    return this.store.documents()
  }

  /**
   * Makes a change, decided anew while others come first. `make`: null = nothing to change. Returns the revision.
   * Throws StoreUnavailable, and LeaseLost.
   */
  async change(make: (documents: Documents, revision: number) => Collections | null): Promise<number> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const documents = this.store.documents()
      const revision = documents.revision + 1
      const collections = make(documents, revision)
      if (collections === null) return documents.revision
      const at = new Date(this.store.nowMs()).toISOString()
      const change: Change = { revision, at, services: {}, collections, history: [] }
      const { lease, store } = this
      const outcome = await (lease === null ? store.commit(change) : store.leases.commit(lease, change))
      if (outcome === 'fenced') throw new LeaseLost('another instance orders certificates now')
      if (outcome !== 'stale') return revision
      await store.refresh()
    }
    throw new Error(`no change could be made in ${MAX_TRIES} attempts`)
  }
}
