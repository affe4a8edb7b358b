import {
  ACME_ACCOUNTS,
  ACME_CERTIFICATES,
  ACME_CHALLENGES,
  ACME_ORDERS,
  type AcmeSettings,
  acmeAccountName,
  acmeAccountOf,
  acmeCertificateOf,
  acmeDueAt,
  acmeName,
  acmeOrderOf,
} from '../../model/acme.ts'
import { documentsOf, putDocument, removeDocument } from '../../model/document-kind.ts'
import type { Change, Documents } from '../../model/state.ts'
import type { Store } from '../../store/store.ts'
import { noOrder } from './order-run.ts'

/** Age at which challenges are removed that an instance has left behind, ms. */
const STALE_CHALLENGE_MS = 3_600_000
/** Time after its end at which a certificate is removed that nobody orders any more, ms. */
const KEPT_AFTER_END_MS = 7 * 86_400_000

/** What is ordered for the listeners of an instance, by the names of these. */
export type Ordering = readonly { readonly listener: string; readonly acme: AcmeSettings }[]

/** A name to order for. */
export interface AcmeTarget {
  readonly domain: string
  readonly acme: AcmeSettings
  readonly listeners: readonly string[]
}

/** A name for which certificates are ordered, as it stands. Times by the clock of the store. */
export interface AcmeStanding extends AcmeTarget {
  /** null = there is no certificate from this server yet. */
  readonly notAfterMs: number | null
  readonly renewAtMs: number | null
  /** When the next attempt may begin; null = none is needed before `renewAtMs`. */
  readonly nextTryMs: number | null
  /** Attempts in a row that have failed. */
  readonly failures: number
  readonly error: string | null
}

type Clocked = Pick<Store, 'documents' | 'nowMs'>
type Collections = NonNullable<Change['collections']>

/** The names that are ordered, each once. */
export function targetsOf(ordering: Ordering): readonly AcmeTarget[] {
  const found = new Map<string, AcmeTarget & { readonly listeners: string[] }>()
  for (const { listener, acme } of ordering) {
    for (const domain of acme.domains) {
      const name = acmeName(domain, acme.directory)
      const known = found.get(name)
      if (known === undefined) found.set(name, { domain, acme, listeners: [listener] })
      else known.listeners.push(listener)
    }
  }
  return [...found.values()]
}

/** What is due, that with the fewest failures first. */
export function dueTargets(ordering: Ordering, store: Clocked): readonly AcmeTarget[] {
  const documents = store.documents()
  const nowMs = store.nowMs()
  const failuresOf = ({ domain, acme }: AcmeTarget): number =>
    acmeOrderOf(documents, domain, acme.directory)?.failures ?? 0
  return targetsOf(ordering)
    .filter(({ domain, acme }) => acmeDueAt(documents, domain, acme.directory) <= nowMs)
    .sort((a, b) => failuresOf(a) - failuresOf(b))
}

export function standingsOf(ordering: Ordering, store: Clocked): readonly AcmeStanding[] {
  const documents = store.documents()
  return targetsOf(ordering).map((target) => {
    const { domain, acme } = target
    const certificate = acmeCertificateOf(documents, domain, acme.directory)
    const order = acmeOrderOf(documents, domain, acme.directory)
    const account = acmeAccountOf(documents, acme.directory)
    const dueAt = acmeDueAt(documents, domain, acme.directory)
    const isOpen = certificate === null || order !== null || dueAt <= store.nowMs()
    return {
      ...target,
      notAfterMs: certificate?.notAfterMs ?? null,
      renewAtMs: certificate?.renewAtMs ?? null,
      nextTryMs: isOpen && Number.isFinite(dueAt) ? dueAt : null,
      failures: order?.failures ?? 0,
      error: order?.error ?? (isOpen ? (account?.error ?? null) : null),
    }
  })
}

/** The change that makes the orders for these names due now, whatever failed before. */
export function orderNow(targets: readonly AcmeTarget[], documents: Documents, revision: number): Collections | null {
  if (targets.length === 0) return null
  const orders = targets.map(({ domain, acme: { directory } }) => {
    const order = acmeOrderOf(documents, domain, directory) ?? noOrder(domain, directory)
    return putDocument(
      ACME_ORDERS,
      acmeName(domain, directory),
      { ...order, isWanted: true, retryAtMs: null },
      revision,
    )
  })
  const accounts = [...new Set(targets.map(({ acme }) => acme.directory))].flatMap((directory): Collections[] => {
    const account = acmeAccountOf(documents, directory)
    if (account === null || account.retryAtMs === null) return []
    return [putDocument(ACME_ACCOUNTS, acmeAccountName(directory), { ...account, retryAtMs: null }, revision)]
  })
  return merged([...orders, ...accounts])
}

/** The change that removes what nobody needs any more; null = there is nothing. */
export function leftovers(ordering: Ordering, store: Clocked): Collections | null {
  const documents = store.documents()
  const nowMs = store.nowMs()
  const challenges = documentsOf(ACME_CHALLENGES, documents)
    .filter(({ value }) => nowMs - value.madeAtMs > STALE_CHALLENGE_MS)
    .map(({ name }) => removeDocument(ACME_CHALLENGES, name))
  const wanted = new Set(targetsOf(ordering).map(({ domain, acme }) => acmeName(domain, acme.directory)))
  const certificates = documentsOf(ACME_CERTIFICATES, documents)
    .filter(({ name, value }) => !wanted.has(name) && nowMs - value.notAfterMs > KEPT_AFTER_END_MS)
    .map(({ name }) => removeDocument(ACME_CERTIFICATES, name))
  const all = [...challenges, ...certificates]
  return all.length === 0 ? null : merged(all)
}

/** One change of several. */
export function merged(changes: readonly Collections[]): Collections {
  const all: Record<string, Collections[string]> = {}
  for (const change of changes)
    for (const [collection, documents] of Object.entries(change)) all[collection] = { ...all[collection], ...documents }
  return all
}
