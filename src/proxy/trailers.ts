/**
 * Fields that are not allowed as trailers, because they frame, route or authorize a message or tell how to read it
 * (RFC 9110 §6.5.1).
 */
const FORBIDDEN = new Set([
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'max-forwards',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'range',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'www-authenticate',
])

const NONE: readonly [string, string][] = []

/** Returns the allowed trailers as pairs. `raw`: a flat list of names and values. */
export function trailersOf(raw: readonly string[]): readonly [string, string][] {
  if (raw.length === 0) return NONE
  const pairs: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    if (!FORBIDDEN.has(name.toLowerCase())) pairs.push([name, raw[i + 1] as string])
  }
  return pairs
}

/** Returns the allowed trailers as pairs, from fields by name. */
export function trailersIn(
  fields: Readonly<Record<string, string | string[] | undefined>>,
): readonly [string, string][] {
  let raw: string[] | null = null
  for (const name in fields) {
    raw ??= []
    for (const value of [fields[name] ?? []].flat()) raw.push(name, value)
  }
  return raw === null ? NONE : trailersOf(raw)
}
