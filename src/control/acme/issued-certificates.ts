import { type Certificate, readCertificate } from '../../edge/certificate.ts'
import { isCertificate } from '../../edge/listener-files.ts'
import { ACME_CERTIFICATES, ACME_CHALLENGES, type AcmeCertificate, acmeCertificatesFor } from '../../model/acme.ts'
import { documentsOf } from '../../model/document-kind.ts'
import type { AcmeAnswers } from '../../model/listener-tls.ts'
import type { SecretBox } from '../../model/secret-box.ts'
import type { Documents } from '../../model/state.ts'
import type { Store } from '../../store/store.ts'

interface IssuedCertificatesOptions {
  readonly store: Pick<Store, 'documents' | 'subscribe'>
  readonly box: SecretBox
  /** Answers these challenges in all proxies, before the table of the same state is sent. */
  readonly answer: (answers: AcmeAnswers) => void
  /** Called when there are other certificates than before. */
  readonly onIssued: () => void
}

/** What the store has of ACME, as far as proxies need it: the certificates that were issued, and the challenges to answer. */
export class IssuedCertificates {
  private readonly options: IssuedCertificatesOptions
  /** null = it cannot be used. */
  private readonly read = new WeakMap<AcmeCertificate, Certificate | null>()
  private certificates: unknown = null
  private challenges: unknown = null

  constructor(options: IssuedCertificatesOptions) {
    this.options = options
  }

  /**
   * Follows the store. Call it before control does: a state counts as in force once its table is, and with it the answers
   * that were sent before.
   */
  start(): void {
    this.options.store.subscribe((documents) => this.follow(documents))
  }

  /** Takes what the store has now. */
  follow(documents: Documents): void {
    const { collections = {} } = documents
    const { [ACME_CHALLENGES.collection]: challenges, [ACME_CERTIFICATES.collection]: certificates } = collections
    if (challenges !== this.challenges) {
      this.challenges = challenges
      this.options.answer(this.answersOf(documents))
    }
    if (certificates === this.certificates) return
    this.certificates = certificates
    this.options.onIssued()
  }

  /** The certificate of a name, by preference from this server; null = there is none that can be used here. */
  find(domain: string, directory: string): Certificate | null {
    for (const stored of acmeCertificatesFor(this.options.store.documents(), domain, directory)) {
      const found = this.open(stored)
      if (found !== null) return found
    }
    return null
  }

  private open(stored: AcmeCertificate): Certificate | null {
    let certificate = this.read.get(stored)
    if (certificate === undefined) {
      const key = this.options.box.open(stored.key, ACME_CERTIFICATES.collection)
      const found = 'text' in key ? readCertificate({ cert: stored.cert, key: key.text }) : []
      certificate = isCertificate(found) ? found : null
      this.read.set(stored, certificate)
    }
    return certificate
  }

  private answersOf(documents: Documents): AcmeAnswers {
    const http: Record<string, string> = Object.create(null)
    const alpn: Record<string, { readonly cert: string; readonly key: string }> = Object.create(null)
    for (const { name: token, value } of documentsOf(ACME_CHALLENGES, documents)) {
      const { type, domain, keyAuthorization, certificate } = value
      if (type === 'http-01') http[token] = keyAuthorization
      else if (certificate !== null) {
        const opened = this.options.box.open(certificate, ACME_CHALLENGES.collection)
        if ('text' in opened) alpn[domain] = JSON.parse(opened.text)
      }
    }
    return { http: { ...http }, alpn: { ...alpn } }
  }
}
