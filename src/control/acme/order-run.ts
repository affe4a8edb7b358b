import { readFile } from 'node:fs/promises'
import { AcmeFailure } from '../../edge/acme/acme-failure.ts'
import {
  AcmeSession,
  type AskedChallenge,
  type KnownOrder,
  newAcmeKey,
  orderFailure,
} from '../../edge/acme/acme-session.ts'
import { readCertificate } from '../../edge/certificate.ts'
import { isCertificate } from '../../edge/listener-files.ts'
import {
  ACME_ACCOUNTS,
  ACME_CERTIFICATES,
  ACME_CHALLENGES,
  ACME_ORDERS,
  type AcmeAccount,
  type AcmeCertificate,
  type AcmeOrder,
  type AcmeSettings,
  acmeAccountName,
  acmeAccountOf,
  acmeName,
  acmeOrderOf,
} from '../../model/acme.ts'
import { putDocument, removeDocument } from '../../model/document-kind.ts'
import type { SecretBox } from '../../model/secret-box.ts'
import type { AcmeDocuments } from './acme-documents.ts'
import { renewalAt } from './back-off.ts'

/** Age from which on an order is not gone on with: servers give orders up after a week, some after a day. */
const STALE_ORDER_MS = 12 * 3_600_000

export interface OrderRunOptions {
  readonly domain: string
  readonly acme: AcmeSettings
  readonly documents: AcmeDocuments
  readonly box: SecretBox
  readonly nowMs: () => number
  /** Returns the proxies and instances, by name, in which a revision is not in force after a while. */
  readonly lagging: (revision: number) => Promise<readonly string[]>
  /** Ends the run: this instance stops, or has lost the lease. */
  readonly ended: AbortSignal
  /** Throws unless this instance is still the one that orders. */
  readonly assertTrusted: () => void
}

/**
 * Orders the certificate of a name, or goes on with an order that another instance has begun: each step is in the store
 * before the next one. Throws AcmeFailure, StoreUnavailable, LeaseLost, and the reason of `ended`.
 */
export class OrderRun {
  private readonly options: OrderRunOptions
  private readonly name: string

  constructor(options: OrderRunOptions) {
    this.options = options
    this.name = acmeName(options.domain, options.acme.directory)
  }

  async run(): Promise<AcmeCertificate> {
    const { acme, ended } = this.options
    const account = await this.account()
    const key = this.open(account.key, ACME_ACCOUNTS.collection)
    const ca = acme.ca === null ? null : await readFile(acme.ca, 'utf8').catch(cannotRead)
    const options = { directory: acme.directory, account: { key, url: account.url }, ca, ended }
    const session = await AcmeSession.open(options)
    try {
      await this.register(session, account)
      return await this.order(session)
    } finally {
      await session.close()
    }
  }

  /** The account of the fleet at the server; its key is in the store before the server knows it. */
  private async account(): Promise<AcmeAccount> {
    const { acme, box, documents } = this.options
    const { directory, email } = acme
    const known = acmeAccountOf(documents.now, directory)
    if (known !== null) return known
    const key = box.seal(await newAcmeKey('ecdsa'), ACME_ACCOUNTS.collection)
    const made: AcmeAccount = { directory, email, url: null, key, failures: 0, retryAtMs: null, error: null }
    await documents.change((_, revision) => putDocument(ACME_ACCOUNTS, acmeAccountName(directory), made, revision))
    return made
  }

  private async register(session: AcmeSession, { url, email: known }: AcmeAccount): Promise<void> {
    const { email } = this.options.acme
    if (url === null) {
      const registered = await session.register(email)
      await this.changeAccount((account) => ({ ...account, url: registered, email }))
    } else if (known !== email) {
      await session.changeEmail(email)
      await this.changeAccount((account) => ({ ...account, email }))
    }
  }

  private async order(session: AcmeSession): Promise<AcmeCertificate> {
    const { domain, acme } = this.options
    const isOver = ({ status }: KnownOrder): boolean => status === 'valid' || status === 'invalid'
    let { order, key } = (await this.goOn(session)) ?? (await this.begin(session))
    if (order.status === 'pending') {
      await this.prove(session, await session.challenges(order, acme.challenge))
      order = await session.settled(order, ({ status }) => status !== 'pending')
    }
    if (order.status === 'ready') {
      this.options.assertTrusted()
      order = await session.finalize(order, domain, key)
    }
    if (!isOver(order)) order = await session.settled(order, isOver)
    if (order.status === 'invalid') throw orderFailure(order)
    return this.keep(await session.certificate(order), key)
  }

  /** The order that was begun before; null = there is none to go on with. */
  private async goOn(session: AcmeSession): Promise<{ order: KnownOrder; key: string } | null> {
    const { domain, acme, documents, nowMs } = this.options
    const known = acmeOrderOf(documents.now, domain, acme.directory)?.order ?? null
    if (known === null || nowMs() - known.startedAtMs > STALE_ORDER_MS) return null
    const order = await session.find(known.url)
    return order === null ? null : { order, key: this.open(known.key, ACME_ORDERS.collection) }
  }

  private async begin(session: AcmeSession): Promise<{ order: KnownOrder; key: string }> {
    const { domain, acme, box, nowMs } = this.options
    const key = await newAcmeKey(acme.keyType)
    this.options.assertTrusted()
    const order = await session.begin(domain, acme.profile)
    const begun = { url: order.url, key: box.seal(key, ACME_ORDERS.collection), startedAtMs: nowMs() }
    await this.changeOrder((before) => ({ ...before, order: begun }))
    return { order, key }
  }

  /** Has the challenges answered by the whole fleet while the server looks. */
  private async prove(session: AcmeSession, asked: readonly AskedChallenge[]): Promise<void> {
    const { domain, documents, box, nowMs, lagging, assertTrusted } = this.options
    if (asked.length === 0) return
    const isOurs = (token: string): boolean => asked.some((each) => each.token === token)
    try {
      const revision = await documents.change((_, next) => {
        const all = asked.map(({ token, type, keyAuthorization, certificate }) => {
          const sealed = certificate && box.seal(JSON.stringify(certificate), ACME_CHALLENGES.collection)
          const challenge = { type, domain, keyAuthorization, certificate: sealed, madeAtMs: nowMs() }
          return putDocument(ACME_CHALLENGES, token, challenge, next)[ACME_CHALLENGES.collection]
        })
        return { [ACME_CHALLENGES.collection]: Object.assign({}, ...all) }
      })
      const missing = await lagging(revision)
      if (missing.length > 0)
        throw new AcmeFailure('notReady', `the answer to the challenge is not in force at ${missing.join(', ')}`)
      for (const each of asked) {
        assertTrusted()
        await session.prove(each)
      }
    } finally {
      // If that fails, the next turn of any instance does it.
      await documents
        .change(({ collections = {} }) => {
          const left = Object.keys(collections[ACME_CHALLENGES.collection] ?? {}).filter(isOurs)
          if (left.length === 0) return null
          const all = left.map((token) => removeDocument(ACME_CHALLENGES, token)[ACME_CHALLENGES.collection])
          return { [ACME_CHALLENGES.collection]: Object.assign({}, ...all) }
        })
        .catch(() => undefined)
    }
  }

  /** Keeps the certificate in the store, from where all instances take it. */
  private async keep(cert: string, key: string): Promise<AcmeCertificate> {
    const { domain, acme, box, documents, nowMs } = this.options
    const { directory } = acme
    const read = readCertificate({ cert, key })
    if (!isCertificate(read))
      throw new AcmeFailure('refused', `the certificate ${read.map(({ message }) => message).join('; ')}`)
    const { names, notBeforeMs, notAfterMs } = read.facts
    const issuedAtMs = nowMs()
    if (!names.includes(domain)) throw new AcmeFailure('refused', `the certificate is for ${names.join(', ')}`)
    if (notAfterMs <= issuedAtMs) throw new AcmeFailure('refused', 'the certificate has expired already')
    const issued: AcmeCertificate = {
      domain,
      directory,
      cert,
      key: box.seal(key, ACME_CERTIFICATES.collection),
      notAfterMs,
      issuedAtMs,
      renewAtMs: renewalAt(notBeforeMs, notAfterMs, issuedAtMs, Math.random()),
    }
    await documents.change((known, revision) => {
      const account = acmeAccountOf(known, directory)
      const healed = account === null ? null : { ...account, failures: 0, retryAtMs: null, error: null }
      return {
        ...putDocument(ACME_CERTIFICATES, this.name, issued, revision),
        ...removeDocument(ACME_ORDERS, this.name),
        ...(healed === null || account?.failures === 0
          ? {}
          : putDocument(ACME_ACCOUNTS, acmeAccountName(directory), healed, revision)),
      }
    })
    return issued
  }

  private async changeAccount(change: (account: AcmeAccount) => AcmeAccount): Promise<void> {
    const { acme, documents } = this.options
    await documents.change((known, revision) => {
      const account = acmeAccountOf(known, acme.directory)
      if (account === null) return null
      return putDocument(ACME_ACCOUNTS, acmeAccountName(acme.directory), change(account), revision)
    })
  }

  private async changeOrder(change: (order: AcmeOrder) => AcmeOrder): Promise<void> {
    const { domain, acme, documents } = this.options
    await documents.change((known, revision) => {
      const order = acmeOrderOf(known, domain, acme.directory) ?? noOrder(domain, acme.directory)
      return putDocument(ACME_ORDERS, this.name, change(order), revision)
    })
  }

  private open(sealed: string, purpose: string): string {
    const opened = this.options.box.open(sealed, purpose)
    if ('text' in opened) return opened.text
    throw new AcmeFailure('notReady', 'the key in the store cannot be decrypted with store.secret of this instance')
  }
}

/** What there is to know of a name before anything was ordered. */
export function noOrder(domain: string, directory: string): AcmeOrder {
  return { domain, directory, order: null, failures: 0, retryAtMs: null, error: null, isWanted: false }
}

function cannotRead(error: Error): never {
  throw new AcmeFailure('notReady', `acme.ca cannot be read: ${error.message}`)
}
