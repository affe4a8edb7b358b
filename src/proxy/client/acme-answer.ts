import { fieldLines } from '../../http1/head-text.ts'
import { dateLine } from '../date.ts'
import type { OwnAnswer } from '../own-answer.ts'

/** RFC 8555 §8.3. */
const PREFIX = '/.well-known/acme-challenge/'

/** The answer to an ACME server that asks whether a host is ours. null = it is no known challenge, and the request goes on. */
export function acmeAnswer(
  tokens: ReadonlyMap<string, string>,
  method: string,
  target: string,
  requestId: string,
): OwnAnswer | null {
  if (!target.startsWith(PREFIX) || (method !== 'GET' && method !== 'HEAD')) return null
  const body = tokens.get(target.slice(PREFIX.length))
  if (body === undefined) return null
  const fields = ['content-type', 'application/octet-stream', 'content-length', String(body.length)]
  fields.push('cache-control', 'no-store', 'x-request-id', requestId)
  return { status: 200, code: '', body, lines: fieldLines(fields) + dateLine() }
}
