import { createHash } from 'node:crypto'
import type { FieldNames } from '../http1/field-names.ts'
import type { Fields } from '../http1/fields.ts'
import { Head } from './head.ts'
import { fieldIn } from './raw-fields.ts'

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** The Sec-WebSocket-Accept that answers a key. */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64')
}

/**
 * The fields of the 101 for a client of HTTP/1.1, from the response with which a server of HTTP/2 has accepted a WebSocket
 * (RFC 8441 §5). `raw`: the fields of the response. `requestLines`: the field lines of the request, with the client's key.
 */
export function acceptedFields(raw: readonly string[], requestLines: string, names: FieldNames): Fields {
  const head = new Head(names)
  head.add('connection', 'upgrade')
  head.add('upgrade', 'websocket')
  head.add('sec-websocket-accept', acceptOf(fieldIn(requestLines, 'sec-websocket-key')))
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    if (name !== ':status' && name !== 'sec-websocket-accept') head.add(name, raw[i + 1] as string)
  }
  return head.end()
}
