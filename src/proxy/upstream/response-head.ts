import { STATUS_CODES } from 'node:http'

/** Lower-case names of response fields that end here. `content-length` passes: the body's length is the server's. */
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
/** What a decoder puts where bytes are no UTF-8. */
const REPLACEMENT = '\ufffd'

/** The response fields for the client, name and value in turn. `headers`: lower-case names, as undici gives them. */
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
  // This status says nothing without the protocols that are wanted (RFC 9110 §15.5.22).
  if (status === UPGRADE_REQUIRED && headers.upgrade !== undefined) fields.push('upgrade', String(headers.upgrade))
  return fields
}

/**
 * A server's reason phrase as it goes over the wire, one character a byte; empty where it was no UTF-8. `text`: decoded as
 * UTF-8, as undici does.
 */
export function reasonPhrase(status: number, text: string | undefined): string {
  if (text === undefined || text === STATUS_CODES[status]) return text ?? ''
  return text.includes(REPLACEMENT) ? '' : Buffer.from(text).toString('latin1')
}

/** Whether a response's body is coded in a way that is not undone here, and so must not be passed on as if it were not. */
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
