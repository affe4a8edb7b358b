import type { Logger } from 'pino'
import { acmeRemarks } from '../../config/acme-remarks.ts'
import type { Config } from '../../config/config.ts'
import type { ListenerTls } from '../../model/listener-tls.ts'
import type { SecretBox } from '../../model/secret-box.ts'
import type { Store } from '../../store/store.ts'
import { AcmeOrders, type AcmeOutcome } from '../acme/acme-orders.ts'
import { IssuedCertificates } from '../acme/issued-certificates.ts'
import type { Control } from '../control.ts'
import type { Proxies } from '../proxies.ts'
import { sealProblem, WrongSecret } from '../sealed-documents.ts'
import { type CertificateChange, ListenerCertificates } from './listener-certificates.ts'
import { TicketKeys } from './ticket-keys.ts'

export interface InstanceTlsOptions {
  readonly config: Config
  readonly store: Store
  readonly box: SecretBox
  readonly control: Control
  readonly proxies: Pick<Proxies, 'listeners'>
  /** Name of this instance. */
  readonly instance: string
  /** No other instance uses the store. */
  readonly isAlone: boolean
  /** TLS that the proxies have in force from an earlier process. */
  readonly known: readonly ListenerTls[]
  readonly log: Logger
  readonly onChange: (change: CertificateChange) => void
  readonly onOutcome: (outcome: AcmeOutcome) => void
}

/** TLS of this instance's clients: certificates from files and by ACME, and the keys for tickets of sessions. */
export class InstanceTls {
  readonly certificates: ListenerCertificates
  readonly orders: AcmeOrders
  private readonly options: InstanceTlsOptions
  private readonly issued: IssuedCertificates
  private readonly ticketKeys: TicketKeys

  constructor(options: InstanceTlsOptions) {
    const { config, store, box, control, proxies, instance, isAlone, log } = options
    this.options = options
    const failed = (error: unknown): void => log.error({ err: error }, 'putting an issued certificate in force failed')
    this.issued = new IssuedCertificates({
      store,
      box,
      answer: (answers) => control.tls.answer(answers),
      onIssued: () => void this.certificates.useIssued().catch(failed),
    })
    this.certificates = new ListenerCertificates({
      listen: config.proxy.listen,
      names: () => proxies.listeners,
      known: options.known,
      log,
      use: (listeners) => control.tls.use(listeners),
      issued: (domain, directory) => this.issued.find(domain, directory),
      onChange: options.onChange,
    })
    this.ticketKeys = new TicketKeys({
      store,
      box,
      use: (key) => control.tls.useTicketKeys(key),
      onError: (error) => log.error({ err: error }, 'making new keys for TLS sessions failed; the old ones stay'),
    })
    this.orders = new AcmeOrders({
      store,
      box,
      control,
      ordering: () => this.certificates.ordering,
      isAlone,
      instance,
      log,
      onOutcome: options.onOutcome,
    })
  }

  /** Follows what the store has for it from now on. Call before the state is read. */
  followStore(): void {
    this.issued.start()
  }

  /**
   * Takes what the store has. Throws WrongSecret if this instance cannot decrypt it; `isServing`: workers serve already, so
   * that is only logged.
   */
  stateRead(isServing: boolean): void {
    this.issued.follow(this.options.store.documents())
    const problem = this.sealProblem()
    if (problem === null) return
    if (!isServing) throw new WrongSecret(problem)
    this.options.log.error(problem)
  }

  /** Why this instance cannot decrypt what the store has; null = it can. */
  sealProblem(): string | null {
    return sealProblem(this.options.store.documents(), this.options.box)
  }

  /** Puts certificates and ticket keys in force. Throws UnusableCertificates. */
  async start(): Promise<void> {
    await this.certificates.start()
    if (this.options.config.proxy.listen.some(({ tls }) => tls !== undefined)) this.ticketKeys.start()
  }

  /** Begins to order certificates that are due. */
  startOrders(): void {
    for (const remark of acmeRemarks(this.options.config)) this.options.log.warn(remark)
    this.orders.start()
  }

  /** Stops everything. Safe to call again. */
  async stop(): Promise<void> {
    this.certificates.stop()
    this.ticketKeys.stop()
    await this.orders.stop()
  }
}
