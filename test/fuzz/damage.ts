import { bytesOf } from './draft.ts'
import { type PlannedRequest, type PlannedResponse, REQUEST_ID_FIELD, RESPONSE_ID_FIELD } from './plan.ts'
import { type Message, Nonsense, readRequest, readResponse, statusOf, valuesOf } from './wire.ts'

/**
 * One byte of a head changed, taken away, doubled or added, for what nobody has thought of. What it has come to mean is
 * read by the reader that is as strict as the RFC; where that is not plain, the message stays as it was.
 */
export function damaged(text: string, dice: number): string {
  const place = dice % (text.indexOf('\r\n\r\n') + 4)
  const byte = String.fromCharCode((dice >> 16) & 0xff)
  const changed = [byte, '', text.charAt(place).repeat(2), text.charAt(place) + byte][(dice >> 24) & 3]
  return text.slice(0, place) + changed + text.slice(place + 1)
}

/** A larger response may be read in pieces, so that what is behind its end comes with the next one. */
const MAX_RESPONSE_BYTES = 16_000
/** What one may read in responses, and may refuse too. Sources: RFC 9112 §2.2, §4, §5.1, §5.2. */
const LENIENT = /^HTTP\/1\.[01] \d{3}(?:\r| .*[^\t\x20-\x7e\x80-\xff\r\n])|[^\r]\n|\r\n[ \t]|[ \t]+:/

/** What becomes of a good request with this damage. */
export function damagedRequest(planned: PlannedRequest, text: string, id: string, host: string): PlannedRequest {
  const unsure = { ...planned, pieces: [bytesOf(text)], closes: 'maybe' } as const
  // Two spaces may be read as one (RFC 9112 §3).
  if (/^[^\r]* {2}/.test(text)) return planned
  const message = read(() => readRequest(bytesOf(text)))
  if (message === 'nonsense') {
    // The head may be fine, and has gone ahead then.
    const head = text.slice(0, text.indexOf('\r\n\r\n') + 4)
    return { ...unsure, fate: read(() => readRequest(bytesOf(head))) === 'nonsense' ? 'refused' : 'refused late' }
  }
  if (message === null) return { ...unsure, fate: 'abandoned', leaves: 'fin' }
  const [authority = ''] = valuesOf(message.fields, 'host')
  const isHost = [host, `${host}:8080`].includes(authority.toLowerCase())
  const isItself = valuesOf(message.fields, REQUEST_ID_FIELD).join() === id && isHost
  if (!isItself) return planned
  if (message.length === null) return { ...unsure, fate: 'abandoned', leaves: 'fin' }
  // The rest would be another request.
  if (message.length < text.length) return planned
  const [method = '', target = ''] = message.startLine.split(' ')
  const origin = originForm(target, authority)
  if (origin === null) return { ...unsure, fate: 'refused' }
  const fields = planned.fields.filter(([name]) => name === REQUEST_ID_FIELD)
  return { ...unsure, fate: 'forwarded or refused', method, target: origin, fields, body: message.body }
}

/** What becomes of a good response with this damage. */
export function damagedResponse(planned: PlannedResponse, text: string, id: string, method: string): PlannedResponse {
  const head = text.slice(0, text.indexOf('\r\n\r\n') + 4)
  if (text.length > MAX_RESPONSE_BYTES || LENIENT.test(head)) return planned
  const unsure = { ...planned, pieces: [bytesOf(text)], early: false, interim: [] }
  const message = read(() => readResponse(bytesOf(text), method, false))
  if (message === 'nonsense') return { ...unsure, fate: 'broken', ending: 'fin' }
  if (message === null) return { ...unsure, fate: 'bad', ending: 'fin' }
  const status = statusOf(message)
  const isItself = valuesOf(message.fields, RESPONSE_ID_FIELD).join() === id && status >= 200
  if (!isItself) return planned
  const fields = planned.fields.filter(([name]) => name === RESPONSE_ID_FIELD)
  const taken = { ...unsure, status, fields, body: message.body }
  if (message.length === null && message.framing !== 'close') return { ...taken, fate: 'broken', ending: 'fin' }
  return { ...taken, fate: 'whole or bad', ending: message.framing === 'close' ? 'fin' : 'keep' }
}

function read(reader: () => Message | null): Message | null | 'nonsense' {
  try {
    return reader()
  } catch (error) {
    if (error instanceof Nonsense) return 'nonsense'
    throw error
  }
}

/** The target as the server is to see it; null = it is not for here. */
function originForm(target: string, authority: string): string | null {
  if (target.includes('#')) return null
  if (target.startsWith('/')) return target
  const [, named = '', rest = ''] = /^https?:\/\/([^/?]*)(.*)$/i.exec(target) ?? []
  if (named.toLowerCase() !== authority.toLowerCase()) return null
  return rest.startsWith('/') ? rest : `/${rest}`
}
