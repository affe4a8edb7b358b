/** Returns the entry of a record under an untrusted name; never an inherited property (`constructor`, `__proto__`). */
export function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

/** Identity of a server within its service: pool and name. */
export function serverPath(pool: string, server: string): string {
  return `${pool}/${server}`
}

/**
 * Identity of a server for the data plane and for health checks: its name and its address. A server that moves to
 * another address becomes another target, with its own health and requests.
 */
export function targetKey(service: string, pool: string, server: string, url: string): string {
  return `${service}/${pool}/${server}=${url}`
}

/** Returns the name of the service in a target key. */
export function serviceNameOf(key: string): string {
  return key.slice(0, key.indexOf('/'))
}

/** Returns the name of the server in a target key. */
export function serverNameOf(key: string): string {
  return key.slice(key.lastIndexOf('/', key.indexOf('=')) + 1, key.indexOf('='))
}

const MAX_LISTED = 20

/** Joins names for a message: the first 20, and the number of those left out. */
export function listed(names: readonly string[]): string {
  const first = names.slice(0, MAX_LISTED).join(', ')
  return names.length > MAX_LISTED ? `${first} and ${names.length - MAX_LISTED} more` : first
}

/** Identifies a pool: `service/pool`. */
export function poolKey(service: string, pool: string): string {
  return `${service}/${pool}`
}
