import { childPath, type Problems, quote } from './problems.ts'

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
