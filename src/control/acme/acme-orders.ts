import type { Logger } from 'pino'
import { AcmeFailure, type AcmeFailureKind } from '../../edge/acme/acme-failure.ts'
import {
  ACME_ACCOUNTS,
  ACME_ORDERS,
  acmeAccountName,
  acmeAccountOf,
  acmeCertificateOf,
  acmeDueAt,
  acmeName,
  acmeOrderOf,
} from '../../model/acme.ts'
import { putDocument } from '../../model/document-kind.ts'
import type { SecretBox } from '../../model/secret-box.ts'
import { type Store, StoreUnavailable, takesChanges } from '../../store/store.ts'
import type { Control } from '../control.ts'
import { type HeldLease, ifFree } from '../held-lease.ts'
import { AcmeDocuments, LeaseLost } from './acme-documents.ts'
import {
  type AcmeStanding,
  type AcmeTarget,
  dueTargets,
  leftovers,
  type Ordering,
  orderNow,
  standingsOf,
  targetsOf,
} from './acme-targets.ts'
import { backOffMs } from './back-off.ts'
import { noOrder, OrderRun } from './order-run.ts'

const LEASE = 'acme'
/** Interval at which this instance looks whether an order is due, ms. */
const LOOK_MS = 1_000
/** Max time for all instances to have the answers to challenges in force, ms. */
const FLEET_MS = 15_000

/** How an attempt has ended; `error`: null = the certificate is in force. */
export interface AcmeOutcome {
  readonly domain: string
  readonly directory: string
  readonly error: string | null
  /** Attempts in a row that have failed. */
  readonly failures: number
  /** When the certificate ends; null = there is none. */
  readonly notAfterMs: number | null
  /** When the next attempt, or the renewal, is due. */
  readonly nextMs: number
}

/** Attempts of this process, by how they have ended. */
export type AcmeCounts = Readonly<Record<'issued' | AcmeFailureKind, number>>

export interface AcmeOrdersOptions {
  readonly store: Store
  readonly box: SecretBox
  readonly control: Pick<Control, 'drains'>
  /** What is ordered for the listeners of this instance. */
  readonly ordering: () => Ordering
  /** No other instance uses the store, so that no lease is needed. */
  readonly isAlone: boolean
  /** Name of this instance. */
  readonly instance: string
  readonly log: Logger
  readonly onOutcome: (outcome: AcmeOutcome) => void
}

/**
 * Orders certificates from ACME servers, and renews them. Of a fleet one instance does at a time, the holder of a lease, which
 * it takes when something is due. What it does is in the store step by step, so that another one can go on.
 */
export class AcmeOrders {
  private readonly options: AcmeOrdersOptions
  private readonly stopping = new AbortController()
  private readonly counts: Record<keyof AcmeCounts, number>
  private timer: NodeJS.Timeout | null = null
  private running: Promise<void> | null = null

  constructor(options: AcmeOrdersOptions) {
    this.options = options
    this.counts = { issued: 0, unreachable: 0, rateLimited: 0, validation: 0, refused: 0, account: 0, notReady: 0 }
  }

  get figures(): AcmeCounts {
    return this.counts
  }

  start(): void {
    this.timer = setInterval(() => this.look(), LOOK_MS).unref()
    this.look()
  }

  /** Ends what is under way; the next turn of any instance goes on with it. */
  async stop(): Promise<void> {
    this.stopping.abort()
    if (this.timer !== null) clearInterval(this.timer)
    await this.running
  }

  /** The names of this instance as they stand. */
  standings(): readonly AcmeStanding[] {
    return standingsOf(this.options.ordering(), this.options.store)
  }

  /** Has certificates ordered now, whatever failed before. `domains`: of this instance. Throws StoreUnavailable. */
  async renew(domains: ReadonlySet<string>): Promise<void> {
    const { store, ordering } = this.options
    const targets = targetsOf(ordering()).filter(({ domain }) => domains.has(domain))
    await new AcmeDocuments(store, null).change((documents, revision) => orderNow(targets, documents, revision))
    this.look()
  }

  private look(): void {
    if (this.running !== null || this.stopping.signal.aborted || !takesChanges(this.options.store)) return
    if (
      dueTargets(this.options.ordering(), this.options.store).length === 0 &&
      leftovers(this.options.ordering(), this.options.store) === null
    )
      return
    const { log } = this.options
    this.running = this.turn()
      .catch((error: unknown) => log.error({ err: error }, 'ordering certificates failed'))
      .finally(() => {
        this.running = null
      })
  }

  private async turn(): Promise<void> {
    const { store, isAlone, instance } = this.options
    const { signal } = this.stopping
    if (isAlone) await this.orderAll(null)
    else await ifFree(store.leases, LEASE, instance, signal, (held) => this.orderAll(held))
  }

  /** Orders everything that is due. `held`: null = no lease is needed. */
  private async orderAll(held: HeldLease | null): Promise<void> {
    const { store } = this.options
    const { signal } = this.stopping
    const ended = held === null ? signal : AbortSignal.any([signal, held.lost])
    const documents = new AcmeDocuments(store, held?.lease ?? null)
    try {
      // Another instance may have ordered them in its turn.
      await store.refresh()
      await documents.change(() => leftovers(this.options.ordering(), this.options.store))
      const tried = new Set<string>()
      for (;;) {
        const target = dueTargets(this.options.ordering(), this.options.store).find(
          ({ domain, acme }) => !tried.has(acmeName(domain, acme.directory)),
        )
        if (target === undefined || ended.aborted) return
        tried.add(acmeName(target.domain, target.acme.directory))
        await this.attempt(target, documents, held, ended)
      }
    } catch (error) {
      // The next turn, here or elsewhere, goes on.
      if (ended.aborted || error instanceof LeaseLost || error instanceof StoreUnavailable) return
      throw error
    }
  }

  private async attempt(
    { domain, acme }: AcmeTarget,
    documents: AcmeDocuments,
    held: HeldLease | null,
    ended: AbortSignal,
  ): Promise<void> {
    const { store, box, control, log } = this.options
    log.info({ domain, directory: acme.directory }, 'ordering a certificate')
    const run = new OrderRun({
      domain,
      acme,
      documents,
      box,
      nowMs: () => store.nowMs(),
      lagging: async (revision) => {
        const { applied, lagging, isCertain, lost } = await control.drains.settled(revision, [], FLEET_MS, false, [])
        if (applied && isCertain && !lost) return []
        return lagging.length > 0 ? lagging : ['instances that the store cannot tell of']
      },
      ended,
      assertTrusted: () => {
        if (held !== null && !held.isTrusted) throw new LeaseLost('the lease may have run out')
      },
    })
    try {
      const { notAfterMs, renewAtMs } = await run.run()
      this.counts.issued++
      log.info({ domain, notAfter: iso(notAfterMs), nextRenewal: iso(renewAtMs) }, 'a certificate was issued')
      const { directory } = acme
      this.options.onOutcome({ domain, directory, error: null, failures: 0, notAfterMs, nextMs: renewAtMs })
    } catch (error) {
      if (ended.aborted || error instanceof LeaseLost || error instanceof StoreUnavailable) throw error
      if (!(error instanceof AcmeFailure))
        log.error({ err: error, domain }, 'ordering a certificate failed unexpectedly')
      const failure = error instanceof AcmeFailure ? error : new AcmeFailure('refused', String(error))
      await this.failed({ domain, acme }, failure, documents)
    }
  }

  /** Notes a failure, and when the next attempt may begin. */
  private async failed(
    { domain, acme }: Pick<AcmeTarget, 'domain' | 'acme'>,
    failure: AcmeFailure,
    documents: AcmeDocuments,
  ): Promise<void> {
    const { store, log } = this.options
    const { directory } = acme
    const { kind, message, retryAfterMs } = failure
    const random = Math.random()
    const pauseMs = (failures: number): number => Math.round(backOffMs(kind, failures, retryAfterMs, random))
    // The order goes on if it may still succeed.
    const isOver = kind === 'validation' || kind === 'refused' || kind === 'account'
    let failures = 1
    await documents.change((known, revision) => {
      const order = acmeOrderOf(known, domain, directory) ?? noOrder(domain, directory)
      const account = acmeAccountOf(known, directory)
      failures = order.failures + 1
      const nowMs = store.nowMs()
      const after = {
        ...order,
        order: isOver ? null : order.order,
        failures,
        retryAtMs: nowMs + pauseMs(failures),
        error: message,
      }
      const changes = putDocument(ACME_ORDERS, acmeName(domain, directory), after, revision)
      if (account === null || (kind !== 'unreachable' && kind !== 'account')) return changes
      // A server that does not answer is not asked for all other names one after the other.
      const url = kind === 'account' ? null : account.url
      const fails = account.failures + 1
      const paused = { ...account, url, failures: fails, retryAtMs: nowMs + pauseMs(fails), error: message }
      return { ...changes, ...putDocument(ACME_ACCOUNTS, acmeAccountName(directory), paused, revision) }
    })
    this.counts[kind]++
    const nextMs = acmeDueAt(documents.now, domain, directory)
    const notAfterMs = acmeCertificateOf(documents.now, domain, directory)?.notAfterMs ?? null
    log.error({ domain, kind, failures, nextTry: iso(nextMs) }, `no certificate for ${domain} was issued: ${message}`)
    this.options.onOutcome({ domain, directory, error: message, failures, notAfterMs, nextMs })
  }
}

function iso(ms: number): string | null {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : null
}
