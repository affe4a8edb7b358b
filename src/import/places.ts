/** Whether a host, or all that a pattern covers, is covered by another pattern; null = any host. */
export function covers(pattern: string | null, host: string | null): boolean {
  if (pattern === null || pattern === host) return true
  return host !== null && pattern.startsWith('*.') && host.replace(/^\*/, '').endsWith(pattern.slice(1))
}

/** Sorts hosts from the least specific to the most specific: any, wildcards by length, names. */
export function hostOrder(a: string | null, b: string | null): number {
  return rank(a) - rank(b)
}

function rank(host: string | null): number {
  if (host === null) return 0
  return host.startsWith('*.') ? host.length : 1000
}

/** Whether all that a prefix covers is covered by another one, on segment boundaries. */
export function isUnder(path: string, prefix: string): boolean {
  return prefix === '/' || path === prefix || path.startsWith(`${prefix}/`)
}

/** A path prefix as Cutover has it, without a slash at the end; null = it cannot be one. */
export function prefixOf(path: string): string | null {
  if (!/^\/[\x21-\x7e]*$/.test(path) || /[?#*]/.test(path)) return null
  const trimmed = path.replace(/\/+$/, '')
  return trimmed === '' ? '/' : trimmed
}
