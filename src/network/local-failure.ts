/**
 * Failures to connect for which this machine is to blame and not the server, in words for operators. Descriptors, ports
 * and memory are shared with everything else that runs here: they say nothing of the server that was to be reached.
 */
const LOCAL_FAILURES: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: 'no local address or port is free',
  EAGAIN: 'no local port is free',
  EMFILE: 'out of descriptors',
  ENFILE: 'out of descriptors (whole machine)',
  ENOBUFS: 'out of memory for sockets',
  ENOMEM: 'out of memory',
}

/** Why this machine could not even try to connect; null when the error says something of the server. */
export function localFailure(error: unknown): string | null {
  if (error instanceof AggregateError && error.errors.length > 0) {
    // Of several addresses, one that was really tried is enough to learn something of the server.
    const texts = error.errors.map(localFailure)
    return texts.includes(null) ? null : (texts[0] ?? null)
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return Object.hasOwn(LOCAL_FAILURES, code) ? (LOCAL_FAILURES[code] ?? null) : null
}
