import type { AcmeAnswers, ListenerTls } from '../../model/listener-tls.ts'
import type { ControlEnd } from '../link.ts'
import type { ProxyLinks } from '../proxy-links.ts'

/** TLS that all proxies of this instance have, or are to have. Secret. */
export class ProxyTls {
  private current: readonly ListenerTls[] = []
  private ticketKey: string | null = null
  private answers: AcmeAnswers = { http: {}, alpn: {} }
  private readonly proxies: ProxyLinks
  private readonly takeEffect: () => Promise<unknown>
  private readonly onUsed: (listeners: readonly ListenerTls[]) => void

  /**
   * `takeEffect`: resolves once all proxies have taken what they were sent, or after a while. `onUsed`: called with TLS
   * before the proxies have it.
   */
  constructor(
    proxies: ProxyLinks,
    takeEffect: () => Promise<unknown>,
    onUsed: (listeners: readonly ListenerTls[]) => void,
  ) {
    this.proxies = proxies
    this.takeEffect = takeEffect
    this.onUsed = onUsed
  }

  /** Sends TLS to a proxy that has just been attached. */
  sendTo(link: ControlEnd): void {
    if (this.ticketKey !== null) link.send({ type: 'ticketKeys', key: this.ticketKey })
    if (hasAnswers(this.answers)) link.send({ type: 'acmeAnswers', answers: this.answers })
    if (this.current.length > 0) link.send({ type: 'tls', listeners: this.current })
  }

  /** Uses these keys for the tickets of sessions in all proxies: 48 bytes in base64. */
  useTicketKeys(key: string): void {
    if (key === this.ticketKey) return
    this.ticketKey = key
    this.proxies.send({ type: 'ticketKeys', key })
  }

  /** Answers these challenges of ACME servers in all proxies, and no others; they have them with the next table. */
  answer(answers: AcmeAnswers): void {
    if (!hasAnswers(answers) && !hasAnswers(this.answers)) return
    this.answers = answers
    this.proxies.send({ type: 'acmeAnswers', answers })
  }

  /** Puts TLS in force in all proxies at once; resolves when they have it. */
  async use(listeners: readonly ListenerTls[]): Promise<void> {
    const before = new Set(this.current.map((each) => JSON.stringify(each)))
    this.current = listeners
    const changed = listeners.filter((each) => !before.has(JSON.stringify(each)))
    if (changed.length === 0) return
    this.onUsed(listeners)
    if (this.proxies.all.size === 0) return
    this.proxies.send({ type: 'tls', listeners: changed })
    await this.takeEffect()
  }
}

function hasAnswers({ http, alpn }: AcmeAnswers): boolean {
  return Object.keys(http).length > 0 || Object.keys(alpn).length > 0
}
