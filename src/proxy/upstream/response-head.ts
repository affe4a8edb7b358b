import { STATUS_CODES } from 'node:http'

/** Lower-case names of response fields that are not forwarded. `content-length` is, because the body stays the same. */
const RESPONSE_DROP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const UPGRADE_REQUIRED = 426
/** Replacement character of decoders for bytes that are not UTF-8. */
const REPLACEMENT = '\ufffd'

/** Returns the response fields for the client, name and value in turn. `headers`: by lower-case name, from undici. */
export function responseFields(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  status: number,
): string[] {
  const fields: string[] = []
  const named = headers.connection
  const dropped = named === undefined || named === 'keep-alive' || named === 'close' ? null : namedFields(named)
  for (const name in headers) {
    if (RESPONSE_DROP.has(name) || dropped?.has(name)) continue
    const value = headers[name]
    if (typeof value === 'string') fields.push(name, value)
    else if (value !== undefined) for (const each of value) fields.push(name, each)
  }
  // A 426 has to name the protocols (RFC 9110 §15.5.22).
  if (status === UPGRADE_REQUIRED && headers.upgrade !== undefined) fields.push('upgrade', String(headers.upgrade))
  return fields
}

/**
 * Returns a server's reason phrase as sent on the wire, one character per byte; empty if it was not UTF-8. `text`: the
 * phrase decoded as UTF-8 by undici.
 */
export function reasonPhrase(status: number, text: string | undefined): string {
  if (text === undefined || text === STATUS_CODES[status]) return text ?? ''
  return text.includes(REPLACEMENT) ? '' : Buffer.from(text).toString('latin1')
}

/** Whether a response has a transfer coding that Cutover cannot decode and must not forward as if it were not coded. */
export function hasUnknownCoding(headers: Readonly<Record<string, string | string[] | undefined>>): boolean {
  const coding = headers['transfer-encoding']
  return coding !== undefined && coding !== 'chunked' && String(coding).toLowerCase() !== 'chunked'
}

function namedFields(connection: string | string[]): Set<string> {
  const names = new Set(
    String(connection)
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  )
  names.delete('content-length')
  return names
}
