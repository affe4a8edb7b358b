const REDACTED = 'REDACTED'

/**
 * A query without its values, which may be secret: `q=REDACTED&page=REDACTED`. A part without a name is replaced as a
 * whole.
 */
export function redactedQuery(query: string): string {
  return query
    .split('&')
    .map((part) => {
      const equals = part.indexOf('=')
      if (equals > 0) return `${part.slice(0, equals)}=${REDACTED}`
      return part === '' ? '' : REDACTED
    })
    .join('&')
}
