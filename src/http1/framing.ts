import { CONTENT_LENGTH, TRANSFER_ENCODING } from './field-names.ts'
import type { Fields } from './fields.ts'
import {
  BAD_LENGTH,
  CHUNKED_TWICE,
  CODING_IN_1_0,
  LENGTH_AND_CODING,
  type MessageRefusal,
  TWO_LENGTHS,
  UNKNOWN_CODING,
} from './refusal.ts'

/**
 * The way in which the end of a body is marked. `close`: by the end of the connection, or of the HTTP/2 stream; its pieces
 * have no framing.
 */
export type Framing = 'none' | 'length' | 'chunked' | 'close'

/** Framing of a message's body according to its header. */
export interface BodyFraming {
  readonly kind: Framing
  /** Length in bytes; 0 for `none`, -1 = unknown. */
  readonly length: number
}

export const NO_BODY: BodyFraming = { kind: 'none', length: 0 }
const CHUNKED: BodyFraming = { kind: 'chunked', length: -1 }
export const UNTIL_CLOSE: BodyFraming = { kind: 'close', length: -1 }

/** Max digits of Content-Length: up to 999,999,999,999,999 is exact in a number. */
const MAX_LENGTH_DIGITS = 15
const CHUNKED_TWICE_OR_MORE = /^chunked(?:[ \t]*,[ \t]*chunked)+$/i
const ZERO = 0x30
const NINE = 0x39

/** Determines the framing of a request's body, or the reason to refuse the request. RFC 9112 §6.3. */
export function requestFraming(fields: Fields, minor: number): BodyFraming | MessageRefusal {
  if (fields.has(TRANSFER_ENCODING)) {
    if (minor === 0) return CODING_IN_1_0
    if (!isChunked(fields))
      return CHUNKED_TWICE_OR_MORE.test(fields.joined(TRANSFER_ENCODING)) ? CHUNKED_TWICE : UNKNOWN_CODING
    return fields.has(CONTENT_LENGTH) ? LENGTH_AND_CODING : CHUNKED
  }
  if (!fields.has(CONTENT_LENGTH)) return NO_BODY
  return ofLength(fields)
}

/**
 * Determines the framing of a response's body, or the reason to refuse the response. `isBodiless`: the request was a
 * HEAD, so the header describes a body that is not sent. RFC 9112 §6.3.
 */
export function responseFraming(
  fields: Fields,
  status: number,
  minor: number,
  isBodiless: boolean,
): BodyFraming | MessageRefusal {
  const neverHasBody = isBodiless || status < 200 || status === 204 || status === 304
  if (fields.has(TRANSFER_ENCODING)) {
    if (minor === 0) return CODING_IN_1_0
    if (!isChunked(fields)) return UNKNOWN_CODING
    if (fields.has(CONTENT_LENGTH)) return LENGTH_AND_CODING
    return neverHasBody ? NO_BODY : CHUNKED
  }
  if (!fields.has(CONTENT_LENGTH)) return neverHasBody ? NO_BODY : UNTIL_CLOSE
  const framing = ofLength(fields)
  return neverHasBody && !isRefusal(framing) ? NO_BODY : framing
}

export function isRefusal(found: BodyFraming | MessageRefusal): found is MessageRefusal {
  return 'rule' in found
}

function isChunked(fields: Fields): boolean {
  return fields.countOf(TRANSFER_ENCODING) === 1 && fields.joined(TRANSFER_ENCODING).toLowerCase() === 'chunked'
}

/** Determines the framing of a body by Content-Length, which must be there. */
export function ofLength(fields: Fields): BodyFraming | MessageRefusal {
  if (fields.countOf(CONTENT_LENGTH) > 1) return TWO_LENGTHS
  const length = lengthOf(fields.joined(CONTENT_LENGTH))
  if (length < 0) return BAD_LENGTH
  return length === 0 ? NO_BODY : { kind: 'length', length }
}

function lengthOf(text: string): number {
  if (text.length === 0 || text.length > MAX_LENGTH_DIGITS) return -1
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < ZERO || code > NINE) return -1
    length = 10 * length + (code - ZERO)
  }
  return length
}
