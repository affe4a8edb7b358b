import { type DocumentKind, findDocument } from './document-kind.ts'
import type { Documents } from './state.ts'

/** An exclusive right of one holder at a time, such as to run the rollout of a service. */
export interface Lease {
  readonly name: string
  readonly holder: string
  /** Increases each time the lease is taken, by any holder. */
  readonly epoch: number
  /** Distinguishes leases of the same epoch: a store that lost changes in a failover may issue an epoch again. */
  readonly token: string
}

/** A lease as stored among the documents. Its expiry is kept elsewhere, so that a renewal makes no revision. */
export type LeaseRecord = {
  /** null = it was released. */
  readonly holder: string | null
  readonly epoch: number
  /** null = it was released. */
  readonly token: string | null
}

export const LEASES: DocumentKind<LeaseRecord> = {
  collection: 'leases',
  fits: (value): value is LeaseRecord =>
    (value.holder === null || typeof value.holder === 'string') &&
    Number.isSafeInteger(value.epoch) &&
    (value.token === null || typeof value.token === 'string'),
}

/** Whether a lease was neither released nor taken by another holder, as of `documents`. It may have expired. */
export function holdsLease(documents: Pick<Documents, 'collections'>, { name, epoch, token }: Lease): boolean {
  const found = findDocument(LEASES, documents, name)
  return found !== null && found !== 'unreadable' && found.value.epoch === epoch && found.value.token === token
}
