import { type DocumentKind, findDocument } from './document-kind.ts'
import type { Documents } from './state.ts'

/** The right of one holder at a time to do something, such as to run a service's rollout. */
export interface Lease {
  readonly name: string
  readonly holder: string
  /** Grows each time the lease is taken, by whomever. */
  readonly epoch: number
  /** Tells this holding from another with the same epoch, which a store that lost changes in a fail-over may give out. */
  readonly token: string
}

/** A lease as it stands among the documents. How long it runs is not there: a renewal makes no revision. */
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

/** Whether a lease was neither released nor taken by another holder, as of `documents`. It may have run out. */
export function holdsLease(documents: Pick<Documents, 'collections'>, { name, epoch, token }: Lease): boolean {
  const found = findDocument(LEASES, documents, name)
  return found !== null && found !== 'unreadable' && found.value.epoch === epoch && found.value.token === token
}
