import { CONNECTION, KEEP_ALIVE } from './field-names.ts'
import type { Fields } from './fields.ts'

const COMMA = 0x2c
const SP = 0x20
const HT = 0x09
const KEEP_ALIVE_TIMEOUT = /(?:^|[,\s])timeout\s*=\s*(\d{1,9})/i

/** Calls `see` with each option of the Connection fields, in lower case. RFC 9110 §7.6.1. */
function eachConnectionOption(fields: Fields, see: (option: string) => void): void {
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

/** Options that name no field, as most messages have them. */
const PLAIN_OPTIONS: ReadonlySet<string> = new Set(['', 'close', 'keep-alive', 'upgrade'])
/** Fields that every recipient needs; Connection must not take them away. */
const NEVER_NAMED: ReadonlySet<string> = new Set(['host', 'content-length', 'transfer-encoding', 'date'])

/**
 * Returns the lower-case names of the fields that Connection names, which concern this hop only; null = none. RFC 9110
 * §7.6.1.
 */
export function namedByConnection(fields: Fields): ReadonlySet<string> | null {
  if (!fields.has(CONNECTION)) return null
  let names: Set<string> | null = null
  eachConnectionOption(fields, (option) => {
    if (PLAIN_OPTIONS.has(option) || NEVER_NAMED.has(option)) return
    names ??= new Set()
    names.add(option)
  })
  return names
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

/** The time for which a server says that it keeps an idle connection, ms; null = it does not say. */
export function keepAliveHint(fields: Fields): number | null {
  if (!fields.has(KEEP_ALIVE)) return null
  const [, seconds] = KEEP_ALIVE_TIMEOUT.exec(fields.joined(KEEP_ALIVE)) ?? []
  return seconds === undefined ? null : 1_000 * Number(seconds)
}

/** Whether a request that asks for a switch to `upgrade`, a list of protocols, asks for `agreed`. */
export function offers(upgrade: string, agreed: string): boolean {
  if (upgrade === '' || agreed === '') return false
  const protocols = upgrade.split(',').map((protocol) => protocol.trim().toLowerCase())
  return protocols.includes(agreed.toLowerCase())
}

function isSpace(code: number): boolean {
  return code === SP || code === HT
}
