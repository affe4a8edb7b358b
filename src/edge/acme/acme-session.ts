import { setTimeout as pause } from 'node:timers/promises'
import type * as Acme from 'acme-client'
import type { AcmeChallengeType, AcmeKeyType } from '../../model/acme.ts'
import { AcmeFailure, type AcmeProblem, failureOf } from './acme-failure.ts'
import { AcmeTransport, loadAcmeClient } from './acme-transport.ts'

/** Max time for the server to look at a challenge, and to issue, ms. */
const DECIDE_MS = 120_000
/** Pauses between looks at what the server has decided, ms. */
const LOOK_MS = { first: 500, max: 5_000 }

/** Settings of a session. `key` of the account: PEM. `url`: that of the account; null = it is not registered here. */
export interface AcmeSessionOptions {
  readonly directory: string
  readonly account: { readonly key: string; readonly url: string | null }
  /** Authorities to trust at the server, in PEM; null = the default ones. */
  readonly ca: string | null
  /** Ends what is under way; its reason is thrown then. */
  readonly ended: AbortSignal
}

/** A challenge of the server, and what has to be answered. */
export interface AskedChallenge {
  readonly token: string
  readonly keyAuthorization: string
  /** For tls-alpn-01: certificate and key, in PEM. */
  readonly certificate: { readonly cert: string; readonly key: string } | null
  /** What the server knows it by. */
  readonly authorization: Acme.Authorization
  readonly type: AcmeChallengeType
}

export type { Order as KnownOrder } from 'acme-client'

/** Talks to an ACME server (RFC 8555). All methods throw AcmeFailure, or the reason of `ended`. */
export class AcmeSession {
  private readonly acme: typeof Acme
  private readonly client: Acme.Client
  private readonly transport: AcmeTransport
  private readonly ended: AbortSignal

  private constructor(acme: typeof Acme, options: AcmeSessionOptions) {
    const { directory, account, ca, ended } = options
    this.acme = acme
    this.transport = new AcmeTransport(ca, ended)
    this.client = new acme.Client({
      directoryUrl: directory,
      accountKey: account.key,
      ...(account.url === null ? {} : { accountUrl: account.url }),
    })
    this.ended = ended
  }

  static async open(options: AcmeSessionOptions): Promise<AcmeSession> {
    return new AcmeSession(await loadAcmeClient(), options)
  }

  close(): Promise<void> {
    return this.transport.close()
  }

  /** Registers the account, or finds it by its key. Returns its URL. */
  async register(email: string): Promise<string> {
    return this.call(async () => {
      await this.client.createAccount({ termsOfServiceAgreed: true, contact: [`mailto:${email}`] })
      return this.client.getAccountUrl()
    })
  }

  /** Changes the address of the account. */
  async changeEmail(email: string): Promise<void> {
    await this.call(() => this.client.updateAccount({ contact: [`mailto:${email}`] }))
  }

  /** Begins an order. `profile`: empty = the server's default. */
  begin(domain: string, profile: string): Promise<Acme.Order> {
    const order = { identifiers: [{ type: 'dns', value: domain }], ...(profile === '' ? {} : { profile }) }
    return this.call(() => this.client.createOrder(order))
  }

  /** Finds an order that was begun before; null = the server does not know it any more. */
  async find(url: string): Promise<Acme.Order | null> {
    try {
      return await this.call(() => this.client.getOrder({ url } as Acme.Order))
    } catch (error) {
      const status = this.transport.last?.status
      if (error instanceof AcmeFailure && (status === 404 || status === 410)) return null
      throw error
    }
  }

  /** What is left to be proven for an order. Throws AcmeFailure if the server does not offer that type. */
  async challenges(order: Acme.Order, type: AcmeChallengeType): Promise<readonly AskedChallenge[]> {
    const all = await this.call(() => this.client.getAuthorizations(order))
    const asked: AskedChallenge[] = []
    for (const authorization of all) {
      if (authorization.status === 'valid') continue
      if (authorization.status !== 'pending') throw challengeFailure(authorization)
      asked.push(await this.challengeOf(authorization, type))
    }
    return asked
  }

  /** Asks the server to look at a challenge; resolves when it is convinced. */
  async prove({ authorization, type }: AskedChallenge): Promise<void> {
    const challenge = authorization.challenges.find((each) => each.type === type)
    if (challenge?.status === 'pending') await this.call(() => this.client.completeChallenge(challenge))
    const decided = await this.decided(
      () => this.client.getAuthorizations({ authorizations: [authorization.url] } as Acme.Order),
      ([each]) => each !== undefined && each.status !== 'pending',
    )
    const [after] = decided
    if (after?.status !== 'valid') throw challengeFailure(after ?? authorization)
  }

  /** Asks for the certificate of an order whose names are proven. `key`: that of the certificate, in PEM. */
  async finalize(order: Acme.Order, domain: string, key: string): Promise<Acme.Order> {
    const [, request] = await this.acme.crypto.createCsr({ altNames: [domain] }, key)
    return this.call(() => this.client.finalizeOrder(order, request))
  }

  /** Waits until the server has ended its work on an order: it is ready, valid or invalid. */
  settled(order: Acme.Order, isSettled: (order: Acme.Order) => boolean): Promise<Acme.Order> {
    return this.decided(() => this.client.getOrder(order), isSettled)
  }

  /** The certificate of a valid order with its chain, in PEM. */
  async certificate(order: Acme.Order): Promise<string> {
    return this.call(() => this.client.getCertificate(order))
  }

  private async challengeOf(authorization: Acme.Authorization, type: AcmeChallengeType): Promise<AskedChallenge> {
    const challenge = authorization.challenges.find((each) => each.type === type)
    if (challenge === undefined) {
      const offered = authorization.challenges.map((each) => each.type).join(', ')
      throw new AcmeFailure('refused', `the server does not offer ${type}, but: ${offered}`)
    }
    const { token } = challenge
    if (!/^[A-Za-z0-9_-]{16,512}$/.test(token))
      throw new AcmeFailure('refused', 'the token of the challenge is malformed')
    const keyAuthorization = await this.client.getChallengeKeyAuthorization(challenge)
    let certificate: AskedChallenge['certificate'] = null
    if (type === 'tls-alpn-01') {
      const own = await this.acme.crypto.createPrivateEcdsaKey()
      const [key, cert] = await this.acme.crypto.createAlpnCertificate(authorization, keyAuthorization, own)
      certificate = { cert: cert.toString(), key: key.toString() }
    }
    return { token, keyAuthorization, certificate, authorization, type }
  }

  /** Asks until the server has decided. */
  private async decided<T>(ask: () => Promise<T>, isDecided: (answer: T) => boolean): Promise<T> {
    const until = performance.now() + DECIDE_MS
    for (let pauseMs = LOOK_MS.first; ; pauseMs = Math.min(LOOK_MS.max, pauseMs * 2)) {
      const answer = await this.call(ask)
      if (isDecided(answer)) return answer
      if (performance.now() > until)
        throw new AcmeFailure('unreachable', `the server has not decided within ${DECIDE_MS / 1_000} s`)
      const asked = Math.min(this.transport.last?.retryAfterMs ?? 0, LOOK_MS.max)
      await pause(Math.max(pauseMs, asked), undefined, { signal: this.ended, ref: false }).catch(() => undefined)
      this.ended.throwIfAborted()
    }
  }

  /** Makes calls of acme-client, whose errors do not say what the server has answered. */
  private async call<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await this.transport.run(call)
    } catch (error) {
      this.ended.throwIfAborted()
      if (error instanceof AcmeFailure) throw error
      const { last } = this.transport
      if (last !== null && last.status >= 400) throw failureOf(problemIn(last.body), last.status, last.retryAfterMs)
      throw new AcmeFailure('refused', `its answer cannot be used: ${(error as Error).message}`)
    }
  }
}

/** A new private key, in PEM. */
export async function newAcmeKey(type: AcmeKeyType): Promise<string> {
  const { crypto } = await loadAcmeClient()
  const key = type === 'rsa' ? await crypto.createPrivateRsaKey() : await crypto.createPrivateEcdsaKey()
  return key.toString()
}

/** Why an order has become invalid. */
export function orderFailure({ error }: Acme.Order): AcmeFailure {
  const failure = failureOf(problemIn(error), 0, 0)
  return error === undefined ? new AcmeFailure('validation', 'the server has given the order up') : failure
}

function challengeFailure({ status, challenges }: Acme.Authorization): AcmeFailure {
  const problem = challenges.find(({ error }) => error !== undefined)?.error
  if (problem === undefined) return new AcmeFailure('validation', `the authorization is ${status}`)
  return failureOf(problemIn(problem), 0, 0)
}

function problemIn(body: unknown): AcmeProblem {
  return typeof body === 'object' && body !== null ? (body as AcmeProblem) : {}
}
