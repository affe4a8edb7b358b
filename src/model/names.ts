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

/** Ends the pattern for the keys of all servers that were found by one name. */
const ANY = '@*'

/** The pattern for the keys of all servers that DNS has found, or will find, by the name of a server. */
export function keyPattern(service: string, pool: string, server: string): string {
  return `${service}/${pool}/${server}${ANY}`
}

/** The entries whose key is one of `wanted`, or fits a pattern there. */
export function entriesOf<T>(entries: Readonly<Record<string, T>>, wanted: readonly string[]): [string, T][] {
  const found = new Map<string, T>()
  for (const key of wanted) {
    const value = own(entries, key)
    if (value !== undefined) found.set(key, value)
    if (!key.endsWith(ANY)) continue
    const start = key.slice(0, -1)
    for (const [each, its] of Object.entries(entries)) if (each.startsWith(start)) found.set(each, its)
  }
  return [...found]
}

/** Whether a key is one of `wanted`, or fits a pattern there. */
export function matchesKey(key: string, wanted: readonly string[]): boolean {
  return wanted.some((each) => each === key || (each.endsWith(ANY) && key.startsWith(each.slice(0, -1))))
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
