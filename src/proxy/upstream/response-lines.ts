import { namedByConnection } from '../../http1/connection-options.ts'
import {
  CONNECTION,
  CONTENT_LENGTH,
  KEEP_ALIVE,
  PROXY_CONNECTION,
  TE,
  TRAILER,
  TRANSFER_ENCODING,
  UPGRADE,
} from '../../http1/field-names.ts'
import type { Fields } from '../../http1/fields.ts'
import { passedLines } from '../../http1/head-text.ts'

const UPGRADE_REQUIRED = 426
const NO_CONTENT = 204

/** 1 for the numbers of fields that concern the server's connection only. */
const DROPPED = new Uint8Array(32)
for (const number of [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE]) {
  DROPPED[number] = 1
}
/** Returns the field lines of a response for the client. `status`: that of the response. */
export function responseLines(fields: Fields, status: number): string {
  const named = namedByConnection(fields)
  // Neither a 204 nor an interim response may have a content-length (RFC 9110 §8.6).
  const hasLength = status >= 200 && status !== NO_CONTENT
  const lines =
    named === null && hasLength
      ? passedLines(fields, passes)
      : passedLines(
          fields,
          (number, i) =>
            passes(number) &&
            (hasLength || number !== CONTENT_LENGTH) &&
            named?.has(fields.name(i).toLowerCase()) !== true,
        )
  // A 426 has to name the protocols (RFC 9110 §15.5.22).
  if (status === UPGRADE_REQUIRED && fields.has(UPGRADE)) return `${lines}upgrade: ${fields.joined(UPGRADE)}\r\n`
  return lines
}

/** The option that Connection must name in a response to the client; empty = none. RFC 9110 §7.8. */
export function optionFor(fields: Fields, status: number): string {
  return status === UPGRADE_REQUIRED && fields.has(UPGRADE) ? 'upgrade' : ''
}

function passes(number: number): boolean {
  return DROPPED[number] === 0
}
