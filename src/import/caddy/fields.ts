import { type Fields, literal } from '../fields.ts'
import type { Report } from '../report.ts'
import type { Segment } from './parse.ts'

/** Placeholders of Caddy that Cutover has as well. */
const PLACEHOLDERS: Readonly<Record<string, string>> = {
  host: '{host}',
  hostport: '{host}',
  'http.request.host': '{host}',
  'http.request.hostport': '{host}',
  remote: '{client}',
  remote_host: '{client}',
  'http.request.remote.host': '{client}',
  client_ip: '{client}',
}
const OF_SERVER: ReadonlySet<string> = new Set(['upstream_hostport', 'http.reverse_proxy.upstream.hostport'])

/** Reads `Name value`, `-Name`, `+Name value`. `hostOfServer`: of the only server; null = there are several, or none. */
export function setField(
  fields: Fields,
  direction: 'request' | 'response',
  line: Segment,
  [given = '', value, replacement]: readonly string[],
  hostOfServer: string | null,
  report: Report,
): void {
  const name = given.replace(/^[+\-?>]+/, '')
  if (name === 'defer') report.notNeeded(line, 'headers.response of Cutover is always the last word')
  else if (given.startsWith('-')) {
    if (name.includes('*')) report.leftOut(line, 'Cutover removes fields by their whole names')
    else fields.remove(direction, name, line)
  } else if (replacement !== undefined || value === undefined)
    report.leftOut(line, 'Cutover sets whole values; a hook can change them (docs/programming.md)')
  else if (given.startsWith('?'))
    report.leftOut(
      line,
      'Cutover replaces a field of the app; a hook can set it where it is missing (response, docs/programming.md)',
    )
  else if (direction === 'request' && fields.isSetAnyway(name))
    report.notNeeded(line, 'Cutover always sets it; it believes one of a client only from proxy.trustedProxies')
  else if (direction === 'request' && name.toLowerCase() === 'host' && PLACEHOLDERS[value.slice(1, -1)] === '{host}')
    report.notNeeded(line, 'Cutover passes Host on')
  else fields.set(direction, name, fieldValue(value, hostOfServer), line)
}

function fieldValue(text: string, hostOfServer: string | null): string | null {
  const parts = text.split(/\{([\w.>-]+)\}/)
  const values = parts.map((part, index) => {
    if (index % 2 === 0) return literal(part)
    return OF_SERVER.has(part) ? hostOfServer : (PLACEHOLDERS[part] ?? null)
  })
  return values.every((value) => value !== null) ? values.join('') : null
}

/** Reads a `header` or `request_header` directive: one line, or a block of them. */
export function readHeader(fields: Fields, segment: Segment, args: readonly string[], report: Report): void {
  const direction = segment.words[0] === 'request_header' ? 'request' : 'response'
  if (segment.block === null) {
    setField(fields, direction, segment, args, null, report)
    return
  }
  report.take(segment)
  for (const line of segment.block) setField(fields, direction, line, line.words, null, report)
}
