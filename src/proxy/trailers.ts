import type { Fields } from '../http1/fields.ts'

/**
 * Fields that are not allowed as trailers, because they frame, route or authorize a message or tell how to read it
 * (RFC 9110 §6.5.1).
 */
const FORBIDDEN = new Set([
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'max-forwards',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'range',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'www-authenticate',
])

/** Returns the lines of the allowed trailers. */
export function trailerLines(fields: Fields): string {
  let lines = ''
  for (let i = 0; i < fields.count; i++) {
    const name = fields.name(i)
    // A server that reads `_` as `-` must not find a forbidden one, either.
    if (!FORBIDDEN.has(name.toLowerCase().replaceAll('_', '-'))) lines += `${name}: ${fields.value(i)}\r\n`
  }
  return lines
}
