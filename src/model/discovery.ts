import type { ServerAddress } from './server-address.ts'

/** What DNS is asked for the servers behind a name. */
export interface Discover {
  /** `addresses`: each address of the name is a server; `services`: each target of its SRV records is. */
  readonly records: 'addresses' | 'services'
  readonly name: string
  /** Max time from one lookup to the next, ms. */
  readonly refreshMs: number
}

/** A server as DNS has it. */
export interface FoundServer {
  /** IP address. */
  readonly address: string
  /** Port and host name of an SRV record; null = an address of the name itself. */
  readonly target: { readonly host: string; readonly port: number } | null
  /** Relative to the others of the name; at least 1. */
  readonly weight: number
  /** Its priority is not the first of its name. */
  readonly backup: boolean
}

/** A server of a name, as the rest of Cutover sees it. */
export interface DiscoveredServer extends ServerAddress {
  /** Distinguishes it from the others of the name: `10.0.0.1`, or `10.0.0.1:9000` by an SRV record. */
  readonly id: string
  readonly weight: number
  readonly backup: boolean
  /** When DNS ceased to have it, ms since the epoch; absent = DNS has it. */
  readonly vanishedAtMs?: number
  /** It has vanished and takes no new requests any more; absent = it takes requests. */
  readonly isClosed?: true
}

/** The servers of one name of a definition; `query`: what they are the answer to. */
export interface DiscoveredName {
  readonly query: string
  readonly servers: readonly DiscoveredServer[]
}

/** Identifies a lookup. */
export function queryOf({ records, name }: Pick<Discover, 'records' | 'name'>): string {
  return `${records} ${name}`
}

/** Distinguishes a server from the others of its name. */
export function idOf({ address, target }: Pick<FoundServer, 'address' | 'target'>): string {
  return target === null ? address : `${address}:${target.port}`
}

const AT = '@'

/** The name of a server that was found: `web@10.0.0.1`. No configured name contains the character. */
export function discoveredName(server: string, id: string): string {
  return `${server}${AT}${id}`
}

/** The configured name in that of a server, which may be one that was found. */
export function configuredName(server: string): string {
  const at = server.indexOf(AT)
  return at === -1 ? server : server.slice(0, at)
}
