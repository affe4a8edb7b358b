import type { FieldKind } from './field-kinds.ts'
import { kindOf } from './field-kinds.ts'
import { continuedTrace, isTraceparent, newTrace } from './trace-context.ts'
import { viaForServer } from './via.ts'

/** Fields that stay although a Connection field names them. */
const NOT_BY_CONNECTION = new Set(['host', 'content-length', 'close', 'keep-alive', 'upgrade', 'transfer-encoding'])

const REQUEST_ID = /^[\w.:@/+=-]{1,128}$/

/** A colon, a space and the end of the line. */
const FIELD_OVERHEAD = 4

/** The head of a request, read in one pass, and the fields for the server. */
export class RequestHead {
  /** Name and value in turn: end-to-end fields, in the client's order and spelling. */
  readonly fields: string[] = []
  host = ''
  hosts = 0
  contentLength: string | null = null
  contentLengths = 0
  transferEncoding: string | null = null
  via = ''
  forwardedFor = ''
  forwardedProto = ''
  forwardedHost = ''
  forwardedPort = ''
  forwardedPrefix = ''
  requestId = ''
  /** The client asks to close the connection after the response. */
  closes = false
  expect = ''
  /** Names of the announced trailers. */
  trailer = ''
  traceparent = ''
  /** A field is present that a lenient server could treat as a framing one. */
  ambiguous = false
  /** Approximate size of the fields, in bytes. */
  size = 0
  private forwarded = ''
  private tracestate = ''
  private named: string | null = null

  /** `raw`: name and value in turn, as node:http gives them. */
  constructor(raw: readonly string[]) {
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i] as string
      const value = raw[i + 1] as string
      const kind = kindOf(name)
      this.size += name.length + value.length + FIELD_OVERHEAD
      if (kind === 'pass') this.fields.push(name, value)
      else if (kind !== 'drop') this.take(kind, value)
    }
    if (this.named !== null) this.dropNamed(this.named)
  }

  get hasBody(): boolean {
    return this.transferEncoding !== null || (this.contentLength !== null && this.contentLength !== '0')
  }

  /**
   * Returns the fields for the server, with those that Cutover sets. X-Forwarded-* of the client are kept only from
   * trusted proxies. `prefix`: the part of the path that was stripped.
   */
  forUpstream(
    connection: Forwarding,
    requestId: string,
    protocol: string,
    prefix: string,
    policy: ForwardingPolicy,
  ): string[] {
    const { fields } = this
    const { trusted, address, localPort } = connection
    this.follow(trusted, policy)
    if (this.host !== '') fields.push('host', this.host)
    const forwardedFor = trusted ? withHop(this.forwardedFor, address) : address
    const port = trusted && this.forwardedPort !== '' ? this.forwardedPort : localPort
    // A peer at a socket file has neither.
    if (forwardedFor !== '') fields.push('x-forwarded-for', forwardedFor)
    fields.push(
      'x-forwarded-proto',
      trusted && this.forwardedProto !== '' ? this.forwardedProto : 'http',
      'x-forwarded-host',
      trusted && this.forwardedHost !== '' ? this.forwardedHost : this.host,
    )
    if (port !== '') fields.push('x-forwarded-port', port)
    fields.push(
      'x-request-id',
      requestId,
      'via',
      viaForServer(this.via, protocol, trusted),
      'traceparent',
      this.traceparent,
    )
    if (this.tracestate !== '') fields.push('tracestate', this.tracestate)
    const whole = trusted ? this.forwardedPrefix + prefix : prefix
    if (whole !== '') fields.push('x-forwarded-prefix', whole)
    const forwarded = trusted ? this.forwarded : ''
    if (forwarded !== '' || policy.forwarded)
      fields.push('forwarded', joined(forwarded, this.forwardedElement(address)))
    if (this.contentLength !== null) fields.push('content-length', this.contentLength)
    return fields
  }

  /** Returns further fields, for a head that is sent before its body, or a body with trailers. */
  extraFields(): string[] {
    const fields: string[] = []
    if (this.expect !== '') fields.push('expect', '100-continue')
    if (this.transferEncoding === null) return fields
    if (this.trailer !== '') fields.push('trailer', this.trailer)
    fields.push('transfer-encoding', 'chunked')
    return fields
  }

  /** Continues the trace of a trusted proxy, or begins a new one. */
  private follow(trusted: boolean, { traceSample }: ForwardingPolicy): void {
    if (trusted && this.traceparent !== '' && isTraceparent(this.traceparent)) {
      this.traceparent = continuedTrace(this.traceparent)
      return
    }
    // tracestate belongs to the trace that is not continued.
    this.tracestate = ''
    this.traceparent = newTrace(traceSample === 1 || Math.random() < traceSample)
  }

  /** This hop, as RFC 7239 §4 has it. */
  private forwardedElement(address: string): string {
    const node = address === '' ? 'unknown' : address.includes(':') ? `"[${address}]"` : address
    const host = this.host === '' ? '' : `;host="${this.host}"`
    return `for=${node}${host};proto=http`
  }

  /** Returns the request id from a trusted proxy; empty if there is none. */
  trustedRequestId(trusted: boolean): string {
    return trusted && REQUEST_ID.test(this.requestId) ? this.requestId : ''
  }

  private take(kind: Exclude<FieldKind, 'pass' | 'drop'>, value: string): void {
    switch (kind) {
      case 'host':
        this.host = value
        this.hosts++
        break
      case 'connection':
        if (value === 'close') this.closes = true
        else if (value !== 'keep-alive') this.named = joined(this.named ?? '', value)
        break
      case 'content-length':
        this.contentLength = value
        this.contentLengths++
        break
      case 'transfer-encoding':
        this.transferEncoding = joined(this.transferEncoding ?? '', value)
        break
      case 'via':
        this.via = joined(this.via, value)
        break
      case 'x-forwarded-for':
        this.forwardedFor = joined(this.forwardedFor, value)
        break
      case 'forwarded':
        this.forwarded = joined(this.forwarded, value)
        break
      case 'x-forwarded-proto':
        this.forwardedProto = value
        break
      case 'x-forwarded-host':
        this.forwardedHost = value
        break
      case 'x-forwarded-port':
        this.forwardedPort = value
        break
      case 'x-forwarded-prefix':
        this.forwardedPrefix = value
        break
      case 'x-request-id':
        this.requestId = value
        break
      case 'expect':
        this.expect = joined(this.expect, value)
        break
      case 'trailer':
        this.trailer = joined(this.trailer, value)
        break
      case 'traceparent':
        // A repeated traceparent is invalid.
        this.traceparent = this.traceparent === '' ? value : 'ambiguous'
        break
      case 'tracestate':
        this.tracestate = joined(this.tracestate, value)
        break
      case 'ambiguous':
        this.ambiguous = true
        break
    }
  }

  /**
   * Drops the fields that Connection names (RFC 9110 §7.6.1). `fields` does not contain those that Cutover sets yet.
   */
  private dropNamed(named: string): void {
    const names = new Set(
      named
        .toLowerCase()
        .split(',')
        .map((name) => name.trim()),
    )
    for (const name of NOT_BY_CONNECTION) names.delete(name)
    if (names.size === 0) return
    let kept = 0
    for (let i = 0; i < this.fields.length; i += 2) {
      const name = this.fields[i] as string
      if (names.has(name.toLowerCase())) continue
      this.fields[kept++] = name
      this.fields[kept++] = this.fields[i + 1] as string
    }
    this.fields.length = kept
  }
}

/** Settings for fields that Cutover adds to every request. */
export interface ForwardingPolicy {
  /** Whether to add `Forwarded` even if no trusted proxy sent one. */
  readonly forwarded: boolean
  /** Share of new traces that are marked as sampled, 0 to 1. */
  readonly traceSample: number
}

/** Properties of the client's connection for the fields that Cutover sets. */
export interface Forwarding {
  /** The peer's IP address; empty for a peer at a socket file. */
  readonly address: string
  /** Empty for a socket file. */
  readonly localPort: string
  readonly trusted: boolean
}

/** X-Forwarded-For with the peer's address appended, where it has one. */
function withHop(received: string, address: string): string {
  return address === '' ? received : joined(received, address)
}

function joined(before: string, value: string): string {
  return before === '' ? value : `${before}, ${value}`
}
