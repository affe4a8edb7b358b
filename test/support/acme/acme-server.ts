import { type KeyObject, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Authority } from '../issue-certificate.ts'
import { readCsr } from './csr.ts'
import { keyOf, readJws, type Signed, thumbprint } from './jws.ts'
import { validate } from './validate.ts'

/** A failure that is answered instead of what was asked for. */
export interface Failing {
  readonly status: number
  /** Without the namespace: `rateLimited`. */
  readonly type: string
  readonly detail?: string
  readonly retryAfter?: string
}

export interface AcmeServerOptions {
  /** Returns the port of this machine at which a domain is found. */
  readonly whereIs?: (domain: string, type: string) => number
  /** Life of the certificates, seconds. */
  readonly lifeSeconds?: number
  /** Each n-th request is refused for its nonce. */
  readonly badNonceEvery?: number
  /** Types of challenges that are offered. */
  readonly offers?: readonly string[]
}

type Resource = 'newAccount' | 'newOrder' | 'finalize' | 'authorization' | 'challenge' | 'order' | 'certificate'

interface Authorization {
  readonly domain: string
  readonly token: string
  status: 'pending' | 'valid' | 'invalid'
  error?: object
  looked: boolean
}

interface Order {
  readonly account: string
  readonly authorizations: readonly string[]
  readonly domains: readonly string[]
  status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid'
  chain: string
}

/**
 * A small ACME server (RFC 8555) with its authority, over https with a certificate of `authority`: it verifies signatures
 * and nonces, looks at challenges for real, and fails on demand.
 */
export class AcmeServer {
  /** What signs its own certificate, and those that it issues. */
  readonly authority: Authority
  readonly directory: string
  /** Requests by resource. */
  readonly asked: Resource[] = []
  /** Names of the certificates that were issued. */
  readonly issued: string[] = []
  /** Contacts by account. */
  readonly contacts: string[][] = []
  /** Looks at challenges: `http-01 PORT`. */
  readonly looks: string[] = []
  /** Is answered instead, by resource, until it is removed. */
  readonly failing = new Map<Resource, Failing>()
  /** Awaited before a challenge is looked at. */
  beforeLook: () => Promise<unknown> = () => Promise.resolve()
  /** Awaited before a certificate is issued. */
  beforeIssue: () => Promise<unknown> = () => Promise.resolve()
  lifeSeconds: number
  whereIs: (domain: string, type: string) => number
  readonly options: AcmeServerOptions
  private readonly server: Server
  private readonly nonces = new Set<string>()
  private readonly accounts: KeyObject[] = []
  private readonly orders: Order[] = []
  private readonly authorizations: Authorization[] = []
  private posts = 0

  private constructor(server: Server, authority: Authority, options: AcmeServerOptions) {
    this.server = server
    this.authority = authority
    this.options = options
    this.whereIs = options.whereIs ?? (() => 0)
    this.lifeSeconds = options.lifeSeconds ?? 90 * 86_400
    this.directory = `https://localhost:${(server.address() as AddressInfo).port}/directory`
    server.on('request', (request, response) => {
      this.answer(request, response).catch((error: unknown) => {
        this.refuse(response, { status: 500, type: 'serverInternal', detail: String(error) })
      })
    })
  }

  static async start(options: AcmeServerOptions, authority = new Authority('acme authority')): Promise<AcmeServer> {
    const server = createServer(authority.issue({ names: ['localhost'] }))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new AcmeServer(server, authority, options)
  }

  count(resource: Resource): number {
    return this.asked.filter((each) => each === resource).length
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, 'close')
  }

  /** Tokens of the challenges, in their order. */
  get tokens(): readonly string[] {
    return this.authorizations.map(({ token }) => token)
  }

  private get origin(): string {
    return this.directory.slice(0, -'/directory'.length)
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    response.setHeader('replay-nonce', this.nonce())
    if (path === '/directory') {
      const names = ['newNonce', 'newAccount', 'newOrder'].map((name) => [name, `${this.origin}/${name}`])
      this.reply(response, 200, Object.fromEntries(names))
      return
    }
    if (path === '/newNonce') {
      response.end()
      return
    }
    let body = ''
    for await (const chunk of request) body += chunk
    const [, resource = '', id = ''] = /^\/(\w+)(?:\/(\d+))?$/.exec(path) ?? []
    this.asked.push(resource as Resource)
    const signed = readJws(body)
    const failing = this.failing.get(resource as Resource)
    const wrong = this.problemWith(signed, path, request) ?? failing
    if (wrong === undefined) await this.handle(resource as Resource, Number(id), signed, response)
    else this.refuse(response, wrong)
  }

  private problemWith(signed: Signed, path: string, request: IncomingMessage): Failing | undefined {
    const { header } = signed
    this.posts++
    const { badNonceEvery = 0 } = this.options
    const isUnlucky = badNonceEvery > 0 && this.posts % badNonceEvery === 0
    if (!this.nonces.delete(header.nonce) || isUnlucky) return { status: 400, type: 'badNonce' }
    if (request.headers['content-type'] !== 'application/jose+json') return { status: 415, type: 'malformed' }
    if (header.url !== `${this.origin}${path}`) return { status: 401, type: 'unauthorized', detail: 'url' }
    const isNew = path === '/newAccount'
    if (isNew !== (header.jwk !== undefined) || isNew === (header.kid !== undefined))
      return { status: 400, type: 'malformed', detail: 'kid or jwk' }
    const key = header.jwk === undefined ? this.accountOf(header.kid ?? '') : keyOf(header.jwk)
    if (key === undefined) return { status: 400, type: 'accountDoesNotExist' }
    return signed.isSignedBy(key) ? undefined : { status: 401, type: 'unauthorized', detail: 'signature' }
  }

  private async handle(resource: Resource, id: number, signed: Signed, response: ServerResponse): Promise<void> {
    const { payload } = signed
    if (resource === 'newAccount') this.newAccount(signed, response)
    else if ((resource as string) === 'account') {
      this.contacts[id] = payload?.contact as string[]
      this.reply(response, 200, { status: 'valid' })
    } else if (resource === 'newOrder') this.newOrder(signed, response)
    else if (resource === 'order') this.reply(response, 200, this.orderView(id))
    else if (resource === 'authorization') this.reply(response, 200, this.authorizationView(id))
    else if (resource === 'challenge') {
      // Its last digit is the type.
      const authorization = Math.floor(id / 10)
      const type = id % 10 === 0 ? 'http-01' : 'tls-alpn-01'
      this.look(authorization, type, thumbprint(this.accountOf(signed.header.kid ?? '') as KeyObject))
      this.reply(response, 200, this.challengeView(authorization, type))
    } else if (resource === 'finalize') await this.finalize(id, payload?.csr as string, response)
    else if (resource === 'certificate') {
      response.setHeader('content-type', 'application/pem-certificate-chain')
      response.end(this.orders[id]?.chain)
    } else this.refuse(response, { status: 404, type: 'malformed' })
  }

  private newAccount({ header, payload }: Signed, response: ServerResponse): void {
    if (payload?.termsOfServiceAgreed !== true) {
      this.refuse(response, { status: 403, type: 'userActionRequired' })
      return
    }
    const key = keyOf(header.jwk ?? {})
    const known = this.accounts.findIndex((each) => thumbprint(each) === thumbprint(key))
    if (known < 0) this.accounts.push(key)
    const id = known < 0 ? this.accounts.length - 1 : known
    this.contacts[id] = payload.contact as string[]
    response.setHeader('location', `${this.origin}/account/${id}`)
    this.reply(response, known < 0 ? 201 : 200, { status: 'valid' })
  }

  private newOrder({ header, payload }: Signed, response: ServerResponse): void {
    const domains = ((payload?.identifiers ?? []) as { value: string }[]).map(({ value }) => value)
    const authorizations = domains.map((domain) => {
      this.authorizations.push({
        domain,
        token: randomBytes(16).toString('base64url'),
        status: 'pending',
        looked: false,
      })
      return String(this.authorizations.length - 1)
    })
    this.orders.push({ account: header.kid ?? '', authorizations, domains, status: 'pending', chain: '' })
    const id = this.orders.length - 1
    response.setHeader('location', `${this.origin}/order/${id}`)
    this.reply(response, 201, this.orderView(id))
  }

  /** Looks at a challenge, once, in the background. */
  private look(id: number, type: string, print: string): void {
    const authorization = this.authorizations[id] as Authorization
    if (authorization.looked) return
    authorization.looked = true
    const { domain, token } = authorization
    const run = async (): Promise<void> => {
      await this.beforeLook()
      const port = this.whereIs(domain, type)
      this.looks.push(`${type} ${port}`)
      const problem = await validate(type, { domain, token, keyAuthorization: `${token}.${print}`, port })
      authorization.status = problem === null ? 'valid' : 'invalid'
      if (problem === null) return
      const [kind = '', detail = ''] = problem.split(': ')
      authorization.error = { type: `urn:ietf:params:acme:error:${kind}`, detail, status: 403 }
    }
    void run()
  }

  private async finalize(id: number, csr: string, response: ServerResponse): Promise<void> {
    const order = this.orders[id] as Order
    this.refreshOrder(order)
    if (order.status !== 'ready') {
      this.refuse(response, { status: 403, type: 'orderNotReady' })
      return
    }
    const { names, publicKey } = readCsr(Buffer.from(csr, 'base64url'))
    if (names.join() !== order.domains.join()) {
      this.refuse(response, { status: 400, type: 'badCSR', detail: names.join() })
      return
    }
    order.status = 'processing'
    const issue = async (): Promise<void> => {
      await this.beforeIssue()
      const [notBefore, notAfter] = [new Date(), new Date(Date.now() + this.lifeSeconds * 1_000)]
      order.chain = `${this.authority.certify(publicKey, { names, notBefore, notAfter })}${this.authority.cert}`
      order.status = 'valid'
      this.issued.push(names.join())
    }
    void issue()
    this.reply(response, 200, this.orderView(id))
  }

  private refreshOrder(order: Order): void {
    if (order.status !== 'pending') return
    const all = order.authorizations.map((each) => this.authorizations[Number(each)]?.status)
    if (all.includes('invalid')) order.status = 'invalid'
    else if (all.every((status) => status === 'valid')) order.status = 'ready'
  }

  private orderView(id: number): object {
    const order = this.orders[id] as Order
    this.refreshOrder(order)
    return {
      status: order.status,
      identifiers: order.domains.map((value) => ({ type: 'dns', value })),
      authorizations: order.authorizations.map((each) => `${this.origin}/authorization/${each}`),
      finalize: `${this.origin}/finalize/${id}`,
      ...(order.status === 'valid' ? { certificate: `${this.origin}/certificate/${id}` } : {}),
    }
  }

  private authorizationView(id: number): object {
    const { domain, status } = this.authorizations[id] as Authorization
    const { offers = ['http-01', 'tls-alpn-01'] } = this.options
    const challenges = offers.map((type) => this.challengeView(id, type))
    return { status, identifier: { type: 'dns', value: domain }, challenges }
  }

  private challengeView(id: number, type: string): object {
    const { status, token, error } = this.authorizations[id] as Authorization
    const url = `${this.origin}/challenge/${id}${type === 'http-01' ? '0' : '1'}`
    return { type, status, token, url, ...(error === undefined ? {} : { error }) }
  }

  private accountOf(kid: string): KeyObject | undefined {
    const [, id] = /\/account\/(\d+)$/.exec(kid) ?? []
    return id === undefined ? undefined : this.accounts[Number(id)]
  }

  private nonce(): string {
    const nonce = randomBytes(16).toString('base64url')
    this.nonces.add(nonce)
    return nonce
  }

  private reply(response: ServerResponse, status: number, body: object): void {
    response.statusCode = status
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(body))
  }

  private refuse(response: ServerResponse, { status, type, detail = type, retryAfter }: Failing): void {
    if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter)
    response.statusCode = status
    response.setHeader('content-type', 'application/problem+json')
    response.end(JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail }))
  }
}
