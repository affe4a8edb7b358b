import { CONNECTION } from './field-names.ts'
import type { Fields } from './fields.ts'

const COMMA = 0x2c
const SP = 0x20
const HT = 0x09

/** Calls `see` with each option of the Connection fields, in lower case. RFC 9110 §7.6.1. */
export function eachConnectionOption(fields: Fields, see: (option: string) => void): void {
  const all = fields.joined(CONNECTION)
  let start = 0
  for (let at = 0; at <= all.length; at++) {
    if (at < all.length && all.charCodeAt(at) !== COMMA) continue
    let [from, to] = [start, at]
    while (from < to && isSpace(all.charCodeAt(from))) from++
    while (to > from && isSpace(all.charCodeAt(to - 1))) to--
    if (to > from) see(all.slice(from, to).toLowerCase())
    start = at + 1
  }
}

/** Whether a Connection field has an option. `wanted`: in lower case. */
export function hasConnectionOption(fields: Fields, wanted: string): boolean {
  if (!fields.has(CONNECTION)) return false
  let found = false
  eachConnectionOption(fields, (option) => {
    if (option === wanted) found = true
  })
  return found
}

/**
 * Whether the connection stays open after a message with this header. `close` wins over `keep-alive`. RFC 9112 §9.3.
 */
export function persists(fields: Fields, minor: number): boolean {
  if (!fields.has(CONNECTION)) return minor > 0
  if (hasConnectionOption(fields, 'close')) return false
  return minor > 0 || hasConnectionOption(fields, 'keep-alive')
}

function isSpace(code: number): boolean {
  return code === SP || code === HT
}
