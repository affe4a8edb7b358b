import { randomBytes } from 'node:crypto'
import type { BlockList } from 'node:net'
import type { RoutedRequest } from '../routing/routed-request.ts'
import type { Client } from './client.ts'
import { clientAddress, UNIX } from './client-address.ts'
import type { ClientStream } from './client-stream.ts'
import { originForm } from './guard.ts'
import type { RequestHead } from './request-head.ts'

const ID_BYTES = 16
const SPACE = 0x20
const TAB = 0x09

/** A request as its policies see it; created only for services that have some. */
export class ClientRequest implements RoutedRequest {
  readonly method: string
  readonly target: string
  /** The id issued with the response; empty = none. */
  newId = ''
  private readonly head: RequestHead
  private readonly client: Client
  private readonly trustedProxies: BlockList
  /** undefined = not determined yet. */
  private lazyAddress: string | null | undefined

  constructor(
    { method, target }: Pick<ClientStream, 'method' | 'target'>,
    head: RequestHead,
    client: Client,
    trustedProxies: BlockList,
  ) {
    this.method = method
    this.target = originForm(target, head)
    this.head = head
    this.client = client
    this.trustedProxies = trustedProxies
  }

  get address(): string | null {
    if (this.lazyAddress === undefined) {
      const address = clientAddress(this.client, this.head.forwardedFor, this.trustedProxies)
      this.lazyAddress = address === UNIX ? null : address
    }
    return this.lazyAddress
  }

  /** Whether the client came by https. */
  get isSecure(): boolean {
    return this.head.scheme(this.client).toLowerCase() === 'https'
  }

  header(name: string): string | null {
    const { fields } = this.head
    let all: string | null = null
    for (let i = fields.indexOf(name); i >= 0; i = fields.indexOf(name, i + 1)) {
      all = all === null ? fields.value(i) : `${all}, ${fields.value(i)}`
    }
    return all
  }

  cookie(name: string): string | null {
    const { fields } = this.head
    for (let i = fields.indexOf('cookie'); i >= 0; i = fields.indexOf('cookie', i + 1)) {
      const value = cookieIn(fields.value(i), name)
      if (value !== null) return value
    }
    return null
  }

  issuedId(): string {
    if (this.newId === '') this.newId = randomBytes(ID_BYTES).toString('base64url')
    return this.newId
  }
}

/** The value of a cookie in the value of a Cookie field (RFC 6265 §4.2.1); null = it is not there. */
export function cookieIn(text: string, name: string): string | null {
  for (let start = 0; start < text.length; ) {
    const semicolon = text.indexOf(';', start)
    const end = semicolon === -1 ? text.length : semicolon
    while (start < end && isSpace(text.charCodeAt(start))) start++
    const equals = start + name.length
    if (text.charCodeAt(equals) === 0x3d && equals < end && text.startsWith(name, start)) {
      return text.slice(equals + 1, end).trim()
    }
    start = end + 1
  }
  return null
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB
}
