import { EXPECT, HOST } from '../../http1/field-names.ts'
import { VIA } from '../wire.ts'
import type { ClientStream } from './client-stream.ts'
import type { RequestHead } from './request-head.ts'
import { ownHops } from './via.ts'

/** Response to a request that is not forwarded. */
export interface Refusal {
  readonly status: number
  readonly text: string
}

/** 0 = none. */
export interface RequestLimits {
  readonly urlBytes: number
  readonly bodyBytes: number
}

const HOST_VALUE = /^(?:[A-Za-z0-9._~!$&'()*+;=%-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/
const MAX_PORT = 65_535
/** A request that has passed through Cutover this often is in a loop. */
const MAX_PASSAGES = 5

export const BODY_TOO_LARGE: Refusal = { status: 413, text: 'The body is too large.' }

/**
 * Refuses requests that are ambiguous or not meant for a gateway, beyond what the reader refuses; null = forward it.
 * Source: RFC 9112 §3, §6.
 */
export function guard(stream: ClientStream, target: string, head: RequestHead, limits: RequestLimits): Refusal | null {
  return guardTarget(stream, target, limits) ?? guardFields(stream, head) ?? guardBody(stream, limits)
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

function guardTarget({ method }: ClientStream, target: string, { urlBytes }: RequestLimits): Refusal | null {
  if (method === 'CONNECT' || method === 'TRACE') return { status: 405, text: `${method} is not allowed.` }
  if (target.length > urlBytes && urlBytes > 0) return { status: 414, text: 'The request target is too long.' }
  if (target.charCodeAt(0) !== 47) {
    return { status: 400, text: 'The request target must begin with a slash, or name the host that Host names.' }
  }
  if (target.includes('#')) return { status: 400, text: 'The request target has a fragment.' }
  return null
}

function guardFields({ fields, version }: ClientStream, head: RequestHead): Refusal | null {
  const hosts = fields.countOf(HOST)
  if (hosts > 1) return { status: 400, text: 'More than one Host.' }
  if (hosts === 0 && version !== '1.0') return { status: 400, text: 'Host is missing.' }
  if (hosts === 1 && !isHost(head.host)) return { status: 400, text: 'Host is malformed.' }
  if (head.isAmbiguous) return { status: 400, text: 'A field name could be taken for another.' }
  if (fields.has(EXPECT) && head.expect.toLowerCase() !== '100-continue') {
    return { status: 417, text: 'Only 100-continue can be expected.' }
  }
  if (fields.has(VIA) && ownHops(head.via).length >= MAX_PASSAGES) {
    return { status: 508, text: 'The request goes round in a circle.' }
  }
  return null
}

function isHost(value: string): boolean {
  const found = HOST_VALUE.exec(value)
  return found !== null && Number(found[1] ?? 0) <= MAX_PORT
}

function guardBody({ body }: ClientStream, { bodyBytes }: RequestLimits): Refusal | null {
  return bodyBytes > 0 && body.framing.length > bodyBytes ? BODY_TOO_LARGE : null
}
