import type { Settings } from '../draft.ts'
import { Fields, literal } from '../fields.ts'
import type { Report } from '../report.ts'
import type { Directive } from './parse.ts'
import type { Scope } from './scope.ts'

/** Variables of nginx that are placeholders of Cutover. */
const PLACEHOLDERS: Readonly<Record<string, string>> = {
  remote_addr: '{client}',
  realip_remote_addr: '{client}',
  host: '{host}',
  http_host: '{host}',
  request_id: '{requestId}',
}
/** Values that mean: what Cutover puts into a field anyway. */
const USUAL: Readonly<Record<string, RegExp>> = {
  'x-forwarded-for': /^\$(proxy_add_x_forwarded_for|remote_addr|http_x_forwarded_for)$/,
  'x-forwarded-proto': /^\$(scheme|http_x_forwarded_proto|proxy_x_forwarded_proto)$/,
  'x-forwarded-host': /^\$(host|http_host|http_x_forwarded_host)$/,
  'x-forwarded-port': /^\$(server_port|http_x_forwarded_port)$/,
  'x-request-id': /^\$(request_id|http_x_request_id)$/,
}

/** Where a proxy_pass sends requests to. */
export interface PassedTo {
  /** What nginx sends as Host by itself. */
  readonly hostOfTarget: string
  /** The variable with the name of the upstream; null = there is none. */
  readonly poolVariable: string | null
}

/** Reads what a location does with header fields. */
export function readFields(scope: Scope, { hostOfTarget, poolVariable }: PassedTo, report: Report): Settings {
  const fields = new Fields(report)
  const set = scope.all('proxy_set_header')
  for (const directive of set) setRequestField(fields, directive, { hostOfTarget, poolVariable }, report)
  const hasHost = set.some(({ args }) => args[0]?.toLowerCase() === 'host')
  if (!hasHost) fields.set('request', 'Host', hostOfTarget, HOST_BY_ITSELF)
  for (const directive of scope.all('add_header')) {
    const [name = '', text = ''] = directive.args
    fields.set('response', name, fieldValue(text, poolVariable), directive)
  }
  for (const directive of scope.all('proxy_hide_header')) fields.remove('response', directive.args[0] ?? '', directive)
  return fields.settings
}

const HOST_BY_ITSELF = { file: '', line: 0, text: '' }

function setRequestField(
  fields: Fields,
  directive: Directive,
  { hostOfTarget, poolVariable }: PassedTo,
  report: Report,
): void {
  const [name = '', text = ''] = directive.args
  const lower = name.toLowerCase()
  const own = text.replace(/^\$\{(\w+)\}$/, '$$$1')
  const isOwn = own.toLowerCase() === `$http_${lower.replaceAll('-', '_')}`
  if (lower === 'host') {
    if (own === '$host' || own === '$http_host') report.take(directive)
    else if (own === '$proxy_host') fields.set('request', name, hostOfTarget, directive)
    else fields.set('request', name, fieldValue(text, poolVariable), directive)
  } else if (USUAL[lower]?.test(own))
    report.notNeeded(directive, 'Cutover always sets it; it believes one of a client only from proxy.trustedProxies')
  else if (isOwn) report.notNeeded(directive, 'Cutover passes it on as the client sent it')
  else if (text === '') fields.remove('request', name, directive)
  else fields.set('request', name, fieldValue(text, poolVariable), directive)
}

/** A value with variables as one with placeholders; null = Cutover has no such variable. */
function fieldValue(text: string, poolVariable: string | null): string | null {
  const parts = text.split(/\$\{?(\w+)\}?/)
  const values = parts.map((part, index) => {
    if (index % 2 === 0) return literal(part)
    return part === poolVariable ? '{pool}' : (PLACEHOLDERS[part] ?? null)
  })
  return values.every((value) => value !== null) ? values.join('') : null
}
