import type { IncomingMessage } from 'node:http'
import type { RequestHead } from './request-head.ts'
import { ownHops } from './via.ts'

/** Response to a request that is not forwarded. */
export interface Refusal {
  readonly status: number
  readonly text: string
}

/** 0 = none. */
export interface RequestLimits {
  readonly headerBytes: number
  readonly urlBytes: number
  readonly bodyBytes: number
}

const HOST = /^[A-Za-z0-9._~!$&'()*+;=%-]+(?::\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](?::\d{1,5})?$/
/** Max number of fields in a request. */
const MAX_FIELDS = 500
/** A request that has passed through Cutover this often is in a loop. */
const MAX_PASSAGES = 5

/** Refuses requests that are ambiguous or not meant for a gateway; null = forward it. Source: RFC 9112 §3, §6. */
export function guard(
  request: IncomingMessage,
  target: string,
  head: RequestHead,
  limits: RequestLimits,
): Refusal | null {
  return (
    guardTarget(request, target, limits) ??
    guardFields(request, head, limits) ??
    (head.hasBody || head.contentLengths > 0 ? guardBody(request, head, limits) : null)
  )
}

/**
 * Returns the request target in origin-form: strips scheme and authority from an absolute-form target if the authority
 * equals Host. Returns any other target unchanged, for `guard` to refuse. Source: RFC 9112 §3.2.
 */
export function originForm(url: string, head: RequestHead): string {
  if (url.charCodeAt(0) === 47) return url
  const [, scheme = '', authority = '', rest = ''] = /^(https?):\/\/([^/?#]*)(.*)$/is.exec(url) ?? []
  const defaultPort = scheme.length === 4 ? ':80' : ':443'
  if (authority === '' || normalized(authority, defaultPort) !== normalized(head.host, defaultPort)) return url
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** An authority in lower case, without the default port of the scheme (RFC 9110 §4.2.3). */
function normalized(authority: string, defaultPort: string): string {
  const lower = authority.toLowerCase()
  return lower.endsWith(defaultPort) ? lower.slice(0, -defaultPort.length) : lower
}

function guardTarget(
  { method = '', httpVersion }: IncomingMessage,
  target: string,
  limits: RequestLimits,
): Refusal | null {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return { status: 505, text: 'Only HTTP/1.1 and HTTP/1.0.' }
  if (method === 'TRACE') return { status: 405, text: 'TRACE is not allowed.' }
  if (target.length > limits.urlBytes && limits.urlBytes > 0) {
    return { status: 414, text: 'The request target is too long.' }
  }
  if (target.charCodeAt(0) !== 47) {
    return { status: 400, text: 'The request target must begin with a slash, or name the host that Host names.' }
  }
  if (target.includes('#')) return { status: 400, text: 'The request target has a fragment.' }
  return null
}

function guardFields(request: IncomingMessage, head: RequestHead, limits: RequestLimits): Refusal | null {
  if (head.hosts > 1) return { status: 400, text: 'More than one Host.' }
  if (head.hosts === 0 && request.httpVersionMinor > 0) return { status: 400, text: 'Host is missing.' }
  if (head.hosts === 1 && !HOST.test(head.host)) return { status: 400, text: 'Host is malformed.' }
  if (head.ambiguous) return { status: 400, text: 'A field name could be taken for another.' }
  if (head.size > limits.headerBytes && limits.headerBytes > 0) return TOO_LARGE
  if (request.rawHeaders.length > 2 * MAX_FIELDS) return TOO_LARGE
  if (head.expect !== '' && head.expect.toLowerCase() !== '100-continue') {
    return { status: 417, text: 'Only 100-continue can be expected.' }
  }
  if (head.via !== '' && ownHops(head.via).length >= MAX_PASSAGES) {
    return { status: 508, text: 'The request goes round in a circle.' }
  }
  return null
}

function guardBody(request: IncomingMessage, head: RequestHead, limits: RequestLimits): Refusal | null {
  if (head.transferEncoding !== null) {
    if (request.httpVersionMinor === 0) return { status: 400, text: 'Transfer-Encoding needs HTTP/1.1.' }
    if (head.transferEncoding.toLowerCase() !== 'chunked') {
      return { status: 501, text: 'Only the chunked transfer coding is understood.' }
    }
    if (head.contentLengths > 0) return { status: 400, text: 'Both Transfer-Encoding and Content-Length.' }
  }
  if (head.contentLengths > 1) return { status: 400, text: 'More than one Content-Length.' }
  if (limits.bodyBytes > 0 && Number(head.contentLength ?? 0) > limits.bodyBytes) return BODY_TOO_LARGE
  return null
}

const TOO_LARGE: Refusal = { status: 431, text: 'The header is too large.' }
export const BODY_TOO_LARGE: Refusal = { status: 413, text: 'The body is too large.' }
