import type { ClientTls } from '../../edge/client-tls.ts'
import { hasConnectionOption, namedByConnection } from '../../http1/connection-options.ts'
import {
  CONNECTION,
  CONTENT_LENGTH,
  EXPECT,
  HOST,
  TE,
  TRAILER,
  TRANSFER_ENCODING,
  UNKNOWN,
  UPGRADE,
} from '../../http1/field-names.ts'
import type { Fields } from '../../http1/fields.ts'
import { passedLines } from '../../http1/head-text.ts'
import type { HttpVersion } from '../../http1/http-version.ts'
import {
  DATE,
  FORWARDED,
  MAX_FORWARDS,
  TRACEPARENT,
  TRACESTATE,
  VIA,
  X_CUTOVER_MIRROR,
  X_FORWARDED_CLIENT_CERT,
  X_FORWARDED_FOR,
  X_FORWARDED_HOST,
  X_FORWARDED_PORT,
  X_FORWARDED_PREFIX,
  X_FORWARDED_PROTO,
  X_REQUEST_ID,
} from '../wire.ts'
import type { Client } from './client.ts'
import { continuedTrace, isTraceparent, newTrace } from './trace-context.ts'
import { viaForServer } from './via.ts'

/** Settings for fields that Cutover adds to every request. */
export interface ForwardingPolicy {
  /** Whether to add `Forwarded` even if no trusted proxy sent one. */
  readonly forwarded: boolean
  /** Share of new traces that are marked as sampled, 0 to 1. */
  readonly traceSample: number
}

/** 1 for the numbers of fields that go to the server unchanged. All others concern this hop only, or are set here. */
const PASSES = new Uint8Array(32)
for (const number of [UNKNOWN, HOST, CONTENT_LENGTH, MAX_FORWARDS, DATE]) PASSES[number] = 1
const REQUEST_ID = /^[\w.:@/+=-]{1,128}$/
/** Matches other versions of HTTP, and TLS: an upgrade to these is declined. */
const OTHER_HTTP = /^(?:h2c?|http\/|tls)/i

/** The head of a request, and the field lines for the server. */
export class RequestHead {
  readonly fields: Fields
  readonly host: string
  /** Whether a body follows. */
  readonly hasBody: boolean
  /** The protocol of an upgrade to forward; empty = none. */
  readonly upgrade: string
  /** The traceparent for the server, once `linesFor` or `beginTrace` was called. */
  traceparent = ''
  readonly version: HttpVersion
  private readonly isOptions: boolean

  constructor(fields: Fields, version: HttpVersion, hasBody: boolean, isOptions = false) {
    this.fields = fields
    this.version = version
    this.isOptions = isOptions
    this.hasBody = hasBody
    this.host = lastOf(fields, HOST)
    this.upgrade = version !== '1.0' && fields.has(UPGRADE) && fields.has(CONNECTION) ? upgradeOf(fields) : ''
  }

  /** Value of the first field with this lower-case name; empty = there is none. */
  firstOf(name: string): string {
    const i = this.fields.indexOf(name)
    return i < 0 ? '' : this.fields.value(i)
  }

  /** Value of X-Forwarded-For. */
  get forwardedFor(): string {
    return this.fields.joined(X_FORWARDED_FOR)
  }

  /** `http` or `https`, as the client came; a trusted proxy says so. */
  scheme({ trusted, tls }: Pick<Client, 'trusted' | 'tls'>): string {
    return this.kept(trusted, X_FORWARDED_PROTO, tls === null ? 'http' : 'https')
  }

  get via(): string {
    return this.fields.joined(VIA)
  }

  /** Whether it says that it is the copy of another request. */
  get isCopy(): boolean {
    return this.fields.has(X_CUTOVER_MIRROR)
  }

  /** Value of Expect. */
  get expect(): string {
    return this.fields.joined(EXPECT)
  }

  /** Whether the client says that it takes trailers. RFC 9110 §10.1.4. */
  get takesTrailers(): boolean {
    return this.fields.has(TE) && /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(this.fields.joined(TE))
  }

  /** Whether the client waits for 100 Continue before it sends the body. RFC 9110 §10.1.1. */
  get awaitsContinue(): boolean {
    return this.hasBody && this.version !== '1.0' && this.fields.has(EXPECT)
  }

  /**
   * Max-Forwards of an OPTIONS request, the only one forwarded for which it counts (RFC 9110 §7.6.2); null = absent,
   * or invalid and passed on as it is.
   */
  get maxForwards(): number | null {
    if (!this.isOptions || !this.fields.has(MAX_FORWARDS)) return null
    const value = this.fields.joined(MAX_FORWARDS)
    return /^\d{1,9}$/.test(value) ? Number(value) : null
  }

  /** Whether a lenient server could treat a field as a framing one. */
  get isAmbiguous(): boolean {
    return this.fields.hasAlias(TRANSFER_ENCODING) || this.fields.hasAlias(CONTENT_LENGTH)
  }

  /** Returns the request id from a trusted proxy; empty if there is none. */
  trustedRequestId(trusted: boolean): string {
    if (!trusted) return ''
    const id = lastOf(this.fields, X_REQUEST_ID)
    return REQUEST_ID.test(id) ? id : ''
  }

  /**
   * Returns the field lines for the server, with those that Cutover sets. X-Forwarded-* of the client are kept only
   * from trusted proxies. Host is missing if the client names none. `prefix`: the part of the path that was stripped.
   */
  linesFor(
    client: Pick<Client, 'trusted' | 'address' | 'localPort' | 'tls'>,
    requestId: string,
    prefix: string,
    policy: ForwardingPolicy,
  ): string {
    const { trusted, address, localPort, tls } = client
    const { fields } = this
    const { dropped } = this
    let lines =
      dropped === null
        ? passedLines(fields, passes)
        : passedLines(fields, (number, i) => passes(number) && !dropped.has(fields.name(i).toLowerCase()))
    const forwardedFor = trusted ? withHop(this.forwardedFor, address) : address
    // A peer at a socket file has neither address nor port.
    if (forwardedFor !== '') lines += `x-forwarded-for: ${forwardedFor}\r\n`
    lines += `x-forwarded-proto: ${this.scheme(client)}\r\n`
    lines += `x-forwarded-host: ${this.kept(trusted, X_FORWARDED_HOST, this.host)}\r\n`
    const port = this.kept(trusted, X_FORWARDED_PORT, localPort)
    if (port !== '') lines += `x-forwarded-port: ${port}\r\n`
    const via = viaForServer(this.via, this.version, trusted)
    lines += `x-request-id: ${requestId}\r\nvia: ${via}\r\n`
    lines += this.traceLines(trusted, policy)
    if (trusted && this.isCopy) lines += `x-cutover-mirror: ${fields.joined(X_CUTOVER_MIRROR)}\r\n`
    const whole = trusted ? lastOf(fields, X_FORWARDED_PREFIX) + prefix : prefix
    if (whole !== '') lines += `x-forwarded-prefix: ${whole}\r\n`
    const forwarded = trusted ? fields.joined(FORWARDED) : ''
    if (forwarded !== '' || policy.forwarded)
      lines += `forwarded: ${joined(forwarded, this.forwardedElement(address, tls !== null))}\r\n`
    if (tls !== null || fields.has(X_FORWARDED_CLIENT_CERT)) lines += this.certificateLine(trusted, tls)
    if (this.maxForwards !== null) lines += `max-forwards: ${Math.max(0, this.maxForwards - 1)}\r\n`
    if (this.awaitsContinue) lines += 'expect: 100-continue\r\n'
    if (fields.has(TRAILER) && this.hasBody && !fields.has(CONTENT_LENGTH))
      lines += `trailer: ${fields.joined(TRAILER)}\r\n`
    return lines
  }

  /** The last value of a field from a trusted proxy, or else `otherwise`. */
  private kept(trusted: boolean, number: number, otherwise: string): string {
    return (trusted && lastOf(this.fields, number)) || otherwise
  }

  /** Sets `traceparent`: continues the trace of a trusted proxy, or begins a new one. Returns its state; empty = none. */
  beginTrace(trusted: boolean, { traceSample }: Pick<ForwardingPolicy, 'traceSample'>): string {
    const { fields } = this
    // A repeated traceparent is invalid.
    const received = trusted && fields.countOf(TRACEPARENT) === 1 ? fields.joined(TRACEPARENT) : ''
    if (received !== '' && isTraceparent(received)) {
      this.traceparent = continuedTrace(received)
      return fields.joined(TRACESTATE)
    }
    // tracestate belongs to the trace that is not continued.
    this.traceparent = newTrace(traceSample)
    return ''
  }

  private traceLines(trusted: boolean, policy: ForwardingPolicy): string {
    const state = this.beginTrace(trusted, policy)
    return `traceparent: ${this.traceparent}\r\n${state === '' ? '' : `tracestate: ${state}\r\n`}`
  }

  /** X-Forwarded-Client-Cert: what a trusted proxy says, and the certificate of this connection; empty = neither. */
  private certificateLine(trusted: boolean, tls: ClientTls | null): string {
    const received = trusted ? this.fields.joined(X_FORWARDED_CLIENT_CERT) : ''
    const own = tls === null ? '' : tls.certificate
    const value = own === '' ? received : joinedBy(',', received, own)
    return value === '' ? '' : `x-forwarded-client-cert: ${value}\r\n`
  }

  /** This hop, as RFC 7239 §4 has it. */
  private forwardedElement(address: string, isSecure: boolean): string {
    const node = address === '' ? 'unknown' : address.includes(':') ? `"[${address}]"` : address
    const host = this.host === '' ? '' : `;host="${this.host}"`
    return `for=${node}${host};proto=${isSecure ? 'https' : 'http'}`
  }

  /** Lower-case names of the fields that Connection names, or that are replaced; null = none. */
  private get dropped(): ReadonlySet<string> | null {
    const named = namedByConnection(this.fields)
    return this.maxForwards === null ? named : new Set([...(named ?? []), 'max-forwards'])
  }
}

/** The protocol that a request asks to switch to, if the switch may be forwarded. */
function upgradeOf(fields: Fields): string {
  const protocol = fields.joined(UPGRADE)
  return OTHER_HTTP.test(protocol) || !hasConnectionOption(fields, 'upgrade') ? '' : protocol
}

function passes(number: number): boolean {
  return PASSES[number] === 1
}

/** The value of the last field with this number; empty = there is none. */
function lastOf(fields: Fields, number: number): string {
  if (!fields.has(number)) return ''
  for (let i = fields.count - 1; i >= 0; i--) if (fields.number(i) === number) return fields.value(i)
  return ''
}

/** X-Forwarded-For with the peer's address appended, where it has one. */
function withHop(received: string, address: string): string {
  return address === '' ? received : joined(received, address)
}

function joined(before: string, value: string): string {
  return joinedBy(', ', before, value)
}

function joinedBy(separator: string, before: string, value: string): string {
  return before === '' ? value : before + separator + value
}
