import type { AccessRecord } from './access-record.ts'

/** Matches text that can stand in quotes unescaped; a column, which ends at a space, contains no space either. */
const PLAIN_QUOTED = /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/
const PLAIN_COLUMN = /^[\x21\x23-\x5b\x5d-\x7e]+$/
const OTHER_IN_QUOTED = /[^\x20\x21\x23-\x5b\x5d-\x7e]/gu
const OTHER_IN_COLUMN = /[^\x21\x23-\x5b\x5d-\x7e]/gu
/** What stands where there is no value. */
const NONE = '-'
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/**
 * Formats a record as a line of the combined log format of Apache and nginx. Like nginx, writes each byte that could
 * end a text or a line as `\xHH`, so that texts contain no quotes either.
 */
export function combinedLine(record: AccessRecord): string {
  const { client, method, target, head, status, bytes } = record
  const request =
    target === '' ? NONE : `${column(method)} ${column(target)} HTTP/${head === null ? '1.1' : head.version}`
  const referer = head === null ? NONE : quoted(head.firstOf('referer'))
  const userAgent = head === null ? NONE : quoted(head.firstOf('user-agent'))
  return `${column(client)} - - [${timeText(record.atMs)}] "${request}" ${status} ${bytes} "${referer}" "${userAgent}"\n`
}

function column(text: string): string {
  return PLAIN_COLUMN.test(text) ? text : text === '' ? NONE : text.replace(OTHER_IN_COLUMN, asBytes)
}

function quoted(text: string): string {
  return PLAIN_QUOTED.test(text) ? text : text === '' ? NONE : text.replace(OTHER_IN_QUOTED, asBytes)
}

/** A character of what was received is a byte; any other one is written as its bytes in UTF-8. */
function asBytes(character: string): string {
  const bytes = Buffer.from(character, character.charCodeAt(0) <= 0xff ? 'latin1' : 'utf8')
  return bytes.toString('hex').toUpperCase().replace(/../g, '\\x$&')
}

let lastSecond = Number.NaN
let lastText = ''

/** The time in UTC, made once a second: `29/Nov/2026:00:31:00 +0000`. */
function timeText(atMs: number): string {
  const second = Math.floor(atMs / 1_000)
  if (second === lastSecond) return lastText
  const [date = '', clock = ''] = new Date(second * 1_000).toISOString().split('T')
  const [year, month, day] = date.split('-')
  lastSecond = second
  lastText = `${day}/${MONTHS[Number(month) - 1]}/${year}:${clock.slice(0, 8)} +0000`
  return lastText
}
