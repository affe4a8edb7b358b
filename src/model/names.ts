/** The entry of a record under a name that came from outside; never something inherited (`constructor`, `__proto__`). */
export function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

/** Identity of a server within the state: its pool and name. */
export function serverPath(pool: string, server: string): string {
  return `${pool}/${server}`
}

/**
 * Identity of a server for the data plane and for health: who it is and where it lives. A server that moves to
 * another address is another target, with health and requests of its own.
 */
export function targetKey(service: string, pool: string, server: string, url: string): string {
  return `${service}/${pool}/${server}=${url}`
}

const MAX_LISTED = 20

/** Names as a message lists them: the first twenty, and how many there are beyond. */
export function listed(names: readonly string[]): string {
  const first = names.slice(0, MAX_LISTED).join(', ')
  return names.length > MAX_LISTED ? `${first} and ${names.length - MAX_LISTED} more` : first
}
