import type { Settings } from '../draft.ts'
import { Fields, literal } from '../fields.ts'
import type { Report } from '../report.ts'
import type { Line } from './parse.ts'
import type { ProxySection } from './sections.ts'

/** Samples and variables of HAProxy that are placeholders of Cutover. */
const PLACEHOLDERS: Readonly<Record<string, string>> = {
  '%[src]': '{client}',
  '%ci': '{client}',
  '%[req.hdr(host)]': '{host}',
  '%[req.hdr(Host)]': '{host}',
  '%[hdr(host)]': '{host}',
  '%[hdr(Host)]': '{host}',
  '%[unique-id]': '{requestId}',
  '%ID': '{requestId}',
  '%b': '{pool}',
  '%[be_name]': '{pool}',
  '%s': '{server}',
  '%[srv_name]': '{server}',
}

/** Reads what sections do with header fields; those of the frontend come first. */
export function readFields(proxies: readonly ProxySection[], report: Report): Settings {
  const fields = new Fields(report)
  for (const proxy of proxies) {
    for (const line of [...proxy.look('http-request'), ...proxy.look('http-response')]) readLine(line, fields, report)
  }
  return fields.settings
}

function readLine(line: Line, fields: Fields, report: Report): void {
  const [kind, action = '', name = '', ...rest] = line.words
  const direction = kind === 'http-request' ? 'request' : 'response'
  if (!['set-header', 'add-header', 'del-header'].includes(action)) return
  const at = rest.findIndex((word) => word === 'if' || word === 'unless')
  const isForwarded = direction === 'request' && fields.isSetAnyway(name)
  if (isForwarded)
    report.notNeeded(line, 'Cutover always sets it; it believes one of a client only from proxy.trustedProxies')
  else if (at !== -1)
    report.leftOut(line, 'headers of Cutover have no conditions; a hook can (upstreamRequest, docs/programming.md)')
  else if (action === 'del-header') fields.remove(direction, name, line)
  else fields.set(direction, name, fieldValue(rest.join(' ')), line)
}

/** A format of HAProxy with placeholders; null = Cutover has no such sample. */
function fieldValue(format: string): string | null {
  const parts = format.split(/(%\[[^\]]*\]|%\{[^}]*\}\w+|%[A-Za-z]+|%%)/)
  const values = parts.map((part, index) => {
    if (part === '%%') return '%'
    return index % 2 === 0 ? literal(part) : (PLACEHOLDERS[part] ?? null)
  })
  return values.every((value) => value !== null) ? values.join('') : null
}
