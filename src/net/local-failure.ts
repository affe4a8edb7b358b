/**
 * Connection failures caused by this machine and not by the server, in words for operators. Descriptors, ports and
 * memory are shared with everything else that runs here: running out of them says nothing about the server.
 */
const LOCAL_FAILURES: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: 'no local address or port is free',
  EAGAIN: 'no local port is free',
  EMFILE: 'out of descriptors',
  ENFILE: 'out of descriptors (whole machine)',
  ENOBUFS: 'out of memory for sockets',
  ENOMEM: 'out of memory',
}

/** Describes why this machine could not try to connect; null = the error says something about the server. */
export function localFailure(error: unknown): string | null {
  if (error instanceof AggregateError && error.errors.length > 0) {
    // One address that was really tried is enough to learn something about the server.
    const texts = error.errors.map(localFailure)
    return texts.includes(null) ? null : (texts[0] ?? null)
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  // At a socket file it means that the server's queue of connections is full.
  if (code === 'EAGAIN' && isOfSocketFile(error)) return null
  return Object.hasOwn(LOCAL_FAILURES, code) ? (LOCAL_FAILURES[code] ?? null) : null
}

/** Whether the address that could not be connected to is that of a socket file, which has no port. */
function isOfSocketFile(error: unknown): boolean {
  return error instanceof Error && 'address' in error && !('port' in error)
}
