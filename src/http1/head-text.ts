import { STATUS_CODES } from 'node:http'
import type { Fields } from './fields.ts'
import type { OutboundRequest } from './outbound-call.ts'

const PHRASES: readonly string[] = Array.from({ length: 600 }, (_, status) => STATUS_CODES[status] ?? 'Unknown')

/** Builds the start line of a response. `reason`: null = the standard phrase of the status. */
export function statusLine(status: number, reason: string | null = null): string {
  return `HTTP/1.1 ${status} ${reason ?? PHRASES[status]}\r\n`
}

/**
 * Returns the unchanged lines of the fields for which `passes` returns true; adjacent lines are copied in one piece.
 * `number`: the field's number in `FieldNames`.
 */
export function passedLines(fields: Fields, passes: (number: number, index: number) => boolean): string {
  const { count, text } = fields
  let lines = ''
  let start = -1
  let end = 0
  for (let i = 0; i < count; i++) {
    if (passes(fields.number(i), i)) {
      if (start < 0) start = fields.lineStart(i)
      end = i + 1
    } else if (start >= 0) {
      lines += text.slice(start, fields.lineStart(i))
      start = -1
    }
  }
  return start < 0 ? lines : lines + text.slice(start, endOfLine(fields, end - 1))
}

/** Builds field lines. `pairs`: names and values, alternating, one character per byte, without line ends. */
export function fieldLines(pairs: readonly string[]): string {
  let lines = ''
  for (let i = 0; i < pairs.length; i += 2) lines += `${pairs[i]}: ${pairs[i + 1]}\r\n`
  return lines
}

/** Builds the head of a request to a server. */
export function requestHead({ method, path, lines, body, upgrade }: OutboundRequest): string {
  const framing = body === 'chunked' || body === 'unknown' ? 'transfer-encoding: chunked\r\n' : ''
  const connection = upgrade === '' ? '' : `connection: upgrade\r\nupgrade: ${upgrade}\r\n`
  return `${method} ${path} HTTP/1.1\r\n${lines}${framing}${connection}\r\n`
}

/** End of a field's line in `text`: that of the last field ends before the empty line at the end of the head. */
function endOfLine(fields: Fields, index: number): number {
  return index + 1 < fields.count ? fields.lineStart(index + 1) : fields.text.length - 2
}
