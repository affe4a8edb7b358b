import { childPath, type Problems, quote } from './problems.ts'

/** Fields that concern a connection or the framing of a message, and not its content. RFC 9110 §7.6.1, §6.4. */
export const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Refuses names of fields that occur twice, or for which `problemOf` (called with the lower-case name) has a reason. */
export function checkFieldNames(
  names: readonly string[],
  path: string,
  problems: Problems,
  problemOf: (name: string) => string | null,
): void {
  const seen = new Map<string, string>()
  for (const name of names) {
    // Some servers read `Content_Length` as `Content-Length`.
    const lower = name.toLowerCase().replaceAll('_', '-')
    const other = seen.get(lower)
    const problem = problemOf(lower) ?? (other === undefined ? null : `is the same field as ${quote(other)}`)
    if (problem !== null) problems.add(childPath(path, name), problem)
    seen.set(lower, name)
  }
}
