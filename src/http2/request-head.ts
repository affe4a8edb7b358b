import { randomBytes } from 'node:crypto'
import type { FieldNames } from '../http1/field-names.ts'
import { CONTENT_LENGTH } from '../http1/field-names.ts'
import type { Fields } from '../http1/fields.ts'
import { type BodyFraming, NO_BODY, ofLength, UNTIL_CLOSE } from '../http1/framing.ts'
import { HEAD_TOO_LARGE, type MessageRefusal } from '../http1/refusal.ts'
import { Head } from './head.ts'

/** Max number of fields, as for HTTP/1.1. */
export const MAX_FIELDS = 500

const TWO_HOSTS: MessageRefusal = {
  status: 400,
  text: 'Host is not the host of :authority.',
  rule: 'RFC 9113 §8.3.1',
}
const UNKNOWN_PROTOCOL: MessageRefusal = {
  status: 501,
  text: 'Only websocket can be the protocol of an extended CONNECT.',
  rule: 'RFC 8441 §5',
}

/** The head of a request, as HTTP/1.1 would have it. */
export interface RequestHead2 {
  readonly method: string
  readonly target: string
  readonly fields: Fields
  readonly framing: BodyFraming
  /** The key that the server of a WebSocket has to answer to; empty = this is no WebSocket. */
  readonly webSocketKey: string
  /** Reason to refuse the request; null = none. */
  readonly refusal: MessageRefusal | null
}

/**
 * Reads the head of a request. An extended CONNECT becomes an upgrade (RFC 8441 §5), crumbs of cookies one field
 * (RFC 9113 §8.2.3), and `:authority` Host. node:http2 has refused what RFC 9113 §8.2 and §8.3 forbid. `raw`: names and
 * values, alternating. `isWhole`: no body follows. `maxBytes`: max length of the field lines.
 */
export function readRequestHead(
  raw: readonly string[],
  isWhole: boolean,
  names: FieldNames,
  maxBytes: number,
): RequestHead2 {
  const head = new Head(names)
  let method = ''
  let target = ''
  let authority = ''
  let protocol = ''
  let host: string | null = null
  let hosts = 0
  let cookies = ''
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    const value = raw[i + 1] as string
    if (name.charCodeAt(0) === 58) {
      if (name === ':method') method = value
      else if (name === ':path') target = value
      else if (name === ':authority') authority = value
      else if (name === ':protocol') protocol = value
    } else if (name === 'host') {
      hosts++
      host ??= value
    } else if (name === 'cookie') cookies = cookies === '' ? value : `${cookies}; ${value}`
    // The key of the client's WebSocket is made here.
    else if (protocol === '' || name !== 'sec-websocket-key') head.add(name, value)
  }
  // A second Host is left for the guard to find.
  if (host !== null && (authority === '' || hosts > 1)) for (let i = 0; i < hosts; i++) head.add('host', host)
  else if (authority !== '') head.add('host', authority)
  if (cookies !== '') head.add('cookie', cookies)
  let webSocketKey = ''
  if (protocol !== '') {
    method = 'GET'
    webSocketKey = randomBytes(16).toString('base64')
    head.add('connection', 'upgrade')
    head.add('upgrade', protocol)
    head.add('sec-websocket-key', webSocketKey)
  }
  const length = head.length
  const fields = head.end()
  const framing = webSocketKey !== '' || isWhole ? NO_BODY : framingOf(fields)
  const refusal =
    length > maxBytes || fields.count > MAX_FIELDS
      ? HEAD_TOO_LARGE
      : host !== null && authority !== '' && host.toLowerCase() !== authority.toLowerCase()
        ? TWO_HOSTS
        : protocol !== '' && protocol.toLowerCase() !== 'websocket'
          ? UNKNOWN_PROTOCOL
          : 'rule' in framing
            ? framing
            : null
  return { method, target, fields, framing: 'rule' in framing ? NO_BODY : framing, webSocketKey, refusal }
}

/** The framing of a body that follows. A length of 0 has its end still to come. */
function framingOf(fields: Fields): BodyFraming | MessageRefusal {
  if (!fields.has(CONTENT_LENGTH)) return UNTIL_CLOSE
  const framing = ofLength(fields)
  return 'rule' in framing || framing.length > 0 ? framing : { kind: 'length', length: 0 }
}
