/** How a field of a request is treated on its way upstream. */
export type FieldKind =
  | 'pass'
  /** Applies to this hop only (RFC 9110 §7.6.1), or is replaced. */
  | 'drop'
  | 'host'
  | 'connection'
  | 'content-length'
  | 'transfer-encoding'
  | 'via'
  | 'x-forwarded-for'
  | 'x-forwarded-proto'
  | 'x-forwarded-host'
  | 'x-forwarded-port'
  | 'x-forwarded-prefix'
  | 'x-request-id'
  | 'forwarded'
  | 'expect'
  | 'trailer'
  | 'traceparent'
  | 'tracestate'
  /** Lenient servers treat it as a field that frames a message. */
  | 'ambiguous'

const KINDS: ReadonlyMap<string, FieldKind> = new Map<string, FieldKind>([
  ['keep-alive', 'drop'],
  ['proxy-connection', 'drop'],
  ['te', 'drop'],
  ['trailer', 'trailer'],
  ['traceparent', 'traceparent'],
  ['tracestate', 'tracestate'],
  ['upgrade', 'drop'],
  ['expect', 'expect'],
  ['transfer_encoding', 'ambiguous'],
  ['content_length', 'ambiguous'],
  ['proxy-authorization', 'drop'],
  ['http2-settings', 'drop'],
  ['host', 'host'],
  ['connection', 'connection'],
  ['content-length', 'content-length'],
  ['transfer-encoding', 'transfer-encoding'],
  ['via', 'via'],
  ['x-forwarded-for', 'x-forwarded-for'],
  ['x-forwarded-proto', 'x-forwarded-proto'],
  ['x-forwarded-host', 'x-forwarded-host'],
  ['x-forwarded-port', 'x-forwarded-port'],
  ['x-forwarded-prefix', 'x-forwarded-prefix'],
  ['x-request-id', 'x-request-id'],
  ['forwarded', 'forwarded'],
])

/** Kinds by the name as clients spell it. Bounded, because a client could send any number of spellings. */
const spelled = new Map<string, FieldKind>()
const MAX_SPELLINGS = 2_000

/** Returns the kind of a field by its name, in any case. */
export function kindOf(name: string): FieldKind {
  const known = spelled.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  const kind = KINDS.get(lower) ?? (isAlias(lower) ? 'drop' : 'pass')
  if (spelled.size >= MAX_SPELLINGS) spelled.clear()
  spelled.set(name, kind)
  return kind
}

/** Whether servers that read `_` as `-` (CGI, WSGI) would confuse this field with one that Cutover sets or drops. */
function isAlias(lower: string): boolean {
  return lower.includes('_') && KINDS.has(lower.replaceAll('_', '-'))
}
