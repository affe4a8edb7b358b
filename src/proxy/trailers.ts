/** Fields that frame, route or authorize a message, or say how to read it: behind its body they come too late (RFC 9110 §6.5.1). */
const NOT_BEHIND = new Set([
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

/** What may follow a body of the fields that did, in pairs. `raw`: name and value in turn. */
export function trailersOf(raw: readonly string[]): readonly [string, string][] {
  if (raw.length === 0) return NONE
  const pairs: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    if (!NOT_BEHIND.has(name.toLowerCase())) pairs.push([name, raw[i + 1] as string])
  }
  return pairs
}

/** The same of fields by name. */
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
