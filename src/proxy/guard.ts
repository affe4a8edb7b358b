import type { IncomingMessage } from 'node:http'
import type { RequestHead } from './headers.ts'

/** A request that is not forwarded, and what its client is told. */
export interface Refusal {
  readonly status: number
  readonly text: string
}

const HOST = /^[A-Za-z0-9._~!$&'()*+,;=%-]*(?::\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](?::\d{1,5})?$/

/** Refuses what could be read in two ways, or is not for a gateway; null = go on. Source: RFC 9112 §3, §6. */
export function guard(request: IncomingMessage, head: RequestHead, urlBytes: number): Refusal | null {
  const target = request.url ?? ''
  const method = request.method ?? ''
  if (head.hosts > 1) return { status: 400, text: 'More than one Host.' }
  if (head.hosts === 0 && request.httpVersionMinor > 0) return { status: 400, text: 'Host is missing.' }
  if (head.host !== '' && !HOST.test(head.host)) return { status: 400, text: 'Host is malformed.' }
  if (method === 'TRACE') return { status: 405, text: 'TRACE is not allowed.' }
  if (target.length > urlBytes && urlBytes > 0) return { status: 414, text: 'The request target is too long.' }
  if (target.charCodeAt(0) !== 47) return { status: 400, text: 'The request target must begin with a slash.' }
  if (target.includes('#')) return { status: 400, text: 'The request target has a fragment.' }
  if (head.transferEncoding !== null) {
    if (request.httpVersionMinor === 0) return { status: 400, text: 'Transfer-Encoding needs HTTP/1.1.' }
    if (head.transferEncoding.toLowerCase() !== 'chunked') {
      return { status: 501, text: 'Only the chunked transfer coding is understood.' }
    }
    if (head.contentLengths > 0) return { status: 400, text: 'Both Transfer-Encoding and Content-Length.' }
  }
  if (head.contentLengths > 1) return { status: 400, text: 'More than one Content-Length.' }
  return null
}
