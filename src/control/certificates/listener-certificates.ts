import type { Logger } from 'pino'
import type { Problem, ProxyListener } from '../../config/config.ts'
import type { CertificateFacts } from '../../edge/certificate.ts'
import { dateProblem } from '../../edge/listener-files.ts'
import type { AcmeSettings } from '../../model/acme.ts'
import type { ListenerTls } from '../../model/listener-tls.ts'
import { formatListen } from '../../net/listen-address.ts'
import { proxyListenKey } from '../../net/listen-options.ts'
import { acmeFile, type Issued, type Watched, type WatchedCertificate, WatchedListener } from './watched-listener.ts'

/** Interval at which the files are looked at, ms. */
const LOOK_MS = 1_000

/** A certificate of a listener as it stands. */
export interface CertificateStanding {
  /** Name of the listener, as in metrics. */
  readonly listener: string
  /** Where it comes from. */
  readonly source: 'file' | 'acme'
  /** `acme:NAME` for an ordered one. */
  readonly file: string
  /** Empty for an ordered one. */
  readonly keyFile: string
  readonly facts: CertificateFacts
  /** When this process has read it. */
  readonly since: Date | null
  /** Why the files as they are now cannot be used; null = they are in force. */
  readonly error: string | null
  /** Number of changes of the files after which they could not be used. */
  readonly failures: number
}

/** A change of the files of a listener. `error`: why they cannot be used; null = they are in force. */
export interface CertificateChange {
  readonly listener: string
  readonly file: string
  readonly error: string | null
  /** What is in force; null = it is no certificate. */
  readonly facts: CertificateFacts | null
}

export interface ListenerCertificatesOptions {
  /** The listeners that this instance was started with. */
  readonly listen: readonly ProxyListener[]
  /** Returns their names, in the same order. */
  readonly names: () => readonly string[]
  /** TLS that the proxies have in force from an earlier process. */
  readonly known: readonly ListenerTls[]
  readonly log: Logger
  /** Puts TLS of all listeners in force; resolves once all proxies have it. */
  readonly use: (listeners: readonly ListenerTls[]) => Promise<unknown>
  /** Finds certificates that were ordered. */
  readonly issued: Issued
  /** Called after a change of files. */
  readonly onChange: (change: CertificateChange) => void
}

/** The files of a listener's TLS cannot be used, and there is nothing to go on with. */
export class UnusableCertificates extends Error {
  override name = 'UnusableCertificates'
}

/** Settings of listeners whose files have been read, to be put in force. */
export interface PreparedTls {
  readonly listeners: readonly WatchedListener[]
}

/**
 * The certificates of the listeners for clients: reads them, looks whether their files change, and gives them to the proxies.
 * Files that cannot be used change nothing.
 */
export class ListenerCertificates {
  private readonly options: ListenerCertificatesOptions
  private listeners: readonly WatchedListener[]
  private timer: NodeJS.Timeout | null = null
  private isStarted = false
  private isStopped = false

  constructor(options: ListenerCertificatesOptions) {
    this.options = options
    const { listen, known } = options
    this.listeners = listen.flatMap(({ tls }, index) =>
      tls === undefined
        ? []
        : new WatchedListener(
            index,
            tls,
            null,
            known.find(({ listener }) => listener === index),
          ),
    )
  }

  /**
   * Reads all files, and puts them in force. Throws UnusableCertificates if a file cannot be used for which no earlier
   * process has left anything.
   */
  async start(): Promise<void> {
    const { log, use, listen } = this.options
    const missing: string[] = []
    for (const listener of this.listeners) {
      for (const { at, reading } of listener.readings) {
        await reading.look(true)
        const { problem, value } = reading
        if (problem === null) continue
        const text = `${proxyListenKey(listener.index, listen.length)}.tls.${at}: ${problem}`
        if (value === null) missing.push(text)
        else log.error(`${text}; what was in force before stays so`)
      }
    }
    this.warnOfDates()
    if (missing.length > 0) throw new UnusableCertificates(missing.join('\n'))
    this.isStarted = true
    await use(this.forProxies())
    this.lookLater()
  }

  stop(): void {
    this.isStopped = true
    if (this.timer !== null) clearTimeout(this.timer)
  }

  /**
   * Reads the files of new settings. Listeners of `listen` are matched with those that this instance was started with by
   * their addresses. Returns the problems if a file cannot be used; nothing changes then.
   */
  async prepare(listen: readonly ProxyListener[]): Promise<PreparedTls | readonly Problem[]> {
    const inForce = this.withTlsOf(listen)
    const problems: Problem[] = []
    const listeners: WatchedListener[] = []
    for (const [index, { tls }] of inForce.entries()) {
      const before = this.listeners.find((listener) => listener.index === index)
      if (before === undefined || tls === undefined) continue
      const listener = new WatchedListener(index, tls, before, undefined)
      const known = new Set<Watched>(before.readings.map(({ reading }) => reading))
      for (const { at, reading } of listener.readings) {
        const found = await reading.look(true)
        // That file is in use already, whatever becomes of the new settings.
        if (found !== 'same' && known.has(reading)) this.tell(before, reading)
        const path = `${proxyListenKey(index, inForce.length)}.tls.${at}`
        if (reading.problem !== null) problems.push({ path, message: reading.problem })
      }
      listeners.push(listener)
    }
    if (problems.length === 0) return { listeners }
    await this.abandon()
    return problems
  }

  /** The prepared settings are not used; files of those in force that have changed are. */
  abandon(): Promise<unknown> {
    return this.options.use(this.forProxies())
  }

  /** Puts settings in force in all proxies, for new connections. */
  async commit({ listeners }: PreparedTls): Promise<void> {
    this.listeners = listeners
    this.warnOfDates()
    await this.options.use(this.forProxies())
  }

  /** The listeners that this instance was started with, with the TLS of those in `listen` that have the same address. */
  withTlsOf(listen: readonly ProxyListener[]): readonly ProxyListener[] {
    const left = [...listen]
    return this.options.listen.map((own) => {
      const at = left.findIndex((other) => formatListen(other) === formatListen(own))
      const [found] = at < 0 ? [] : left.splice(at, 1)
      const watched = this.listeners.find(({ index }) => index === this.options.listen.indexOf(own))
      if (watched === undefined) return own
      return { ...own, tls: found?.tls ?? watched.settings }
    })
  }

  /** All certificates as they stand. */
  standings(): readonly CertificateStanding[] {
    return this.listeners.flatMap((listener) => [
      ...listener.certificates.flatMap((each) => standingOf(each, this.nameOf(listener)) ?? []),
      ...this.orderedOf(listener),
    ])
  }

  /** What is ordered for the listeners, with their names. */
  get ordering(): readonly { readonly listener: string; readonly acme: AcmeSettings }[] {
    return this.listeners.flatMap((listener) => {
      const { acme } = listener.settings
      return acme === null ? [] : { listener: this.nameOf(listener), acme }
    })
  }

  /** Puts certificates in force that were issued meanwhile. */
  async useIssued(): Promise<void> {
    // Before that, files have not been read.
    if (this.isStarted) await this.options.use(this.forProxies())
  }

  private orderedOf(listener: WatchedListener): readonly CertificateStanding[] {
    const { acme } = listener.settings
    if (acme === null) return []
    return acme.domains.flatMap((domain): readonly CertificateStanding[] => {
      const found = this.options.issued(domain, acme.directory)
      if (found === null) return []
      const shown = {
        source: 'acme',
        file: acmeFile(domain),
        keyFile: '',
        since: null,
        error: null,
        failures: 0,
      } as const
      return [{ listener: this.nameOf(listener), facts: found.facts, ...shown }]
    })
  }

  /** Problems with files of authorities as they are now. */
  get authoritiesProblems(): readonly string[] {
    return this.listeners.flatMap(({ authorities }) => authorities?.problem ?? [])
  }

  private lookLater(): void {
    if (this.isStopped || this.listeners.length === 0) return
    this.timer = setTimeout(() => {
      this.look()
        .catch((error: unknown) => this.options.log.error({ err: error }, 'looking at the certificates failed'))
        .finally(() => this.lookLater())
    }, LOOK_MS)
    this.timer.unref()
  }

  private async look(): Promise<void> {
    let hasNews = false
    for (const listener of this.listeners) {
      for (const { reading } of listener.readings) {
        const found = await reading.look(false)
        if (found === 'same') continue
        hasNews ||= found === 'changed'
        this.tell(listener, reading)
      }
    }
    // A reload may have replaced the listeners meanwhile, and goes on with the same readings.
    if (hasNews) await this.options.use(this.forProxies())
  }

  private tell(listener: WatchedListener, reading: Watched): void {
    const { log, onChange } = this.options
    const certificate = listener.certificates.find((each) => each.reading === reading)
    const file = certificate?.files.cert ?? listener.settings.clientAuth?.ca ?? ''
    const facts = certificate?.reading.value?.facts ?? null
    const { problem: error } = reading
    const name = this.nameOf(listener)
    if (error !== null) log.error({ listener: name }, `${error}; what was in force before stays so`)
    else log.info({ listener: name, ...shownFacts(facts) }, `${file} has changed and is in force`)
    const date = facts === null ? null : dateProblem(file, facts, Date.now())
    if (error === null && date !== null) log.warn({ listener: name }, `${date}; clients refuse it`)
    onChange({ listener: name, file, error, facts })
  }

  private warnOfDates(): void {
    for (const { file, facts } of this.standings()) {
      const problem = dateProblem(file, facts, Date.now())
      if (problem !== null) this.options.log.warn(`${problem}; clients refuse it`)
    }
  }

  private nameOf({ index }: WatchedListener): string {
    return this.options.names()[index] ?? ''
  }

  private forProxies(): readonly ListenerTls[] {
    return this.listeners.flatMap((listener) => listener.forProxies(this.options.issued) ?? [])
  }
}

function standingOf({ files, reading }: WatchedCertificate, listener: string): CertificateStanding | null {
  const { value, since, problem: error, failures } = reading
  if (value === null) return null
  return { listener, source: 'file', file: files.cert, keyFile: files.key, facts: value.facts, since, error, failures }
}

function shownFacts(facts: CertificateFacts | null): object {
  if (facts === null) return {}
  const { names, issuer, notAfterMs } = facts
  return { names, issuer, notAfter: new Date(notAfterMs).toISOString() }
}
