import { isIP } from 'node:net'
import { Discovery, type LookupChange } from '../discovery/discovery.ts'
import { type Discover, queryOf } from '../model/discovery.ts'
import { own } from '../model/names.ts'
import type { Server } from '../model/servers.ts'
import type { Service } from '../model/state.ts'
import { DnsClient, type LookupOutcome } from '../net/dns-client.ts'
import { type HostName, NAMES } from '../net/names.ts'
import { DiscoveredServices, type DiscoveredServicesOptions } from './discovered-services.ts'
import type { KnownServers } from './remembered-names.ts'

/** What is known of the name of a server. */
export interface NameInUse {
  readonly name: string
  /** The last known ones. */
  readonly addresses: readonly string[]
  /** Why the last lookup has found nothing; null = it has found something, or there was none yet. */
  readonly problem: string | null
}

/** How the names of servers are looked up, and what is told of that. */
export interface NameLookupOptions {
  readonly client?: DnsClient
  /** What a previous process has found. */
  readonly known?: () => KnownServers
  /** Called with all that is known when some of it has changed. */
  readonly onKnown?: (known: KnownServers) => void
  /** Called when the lookups of a name go otherwise than before. */
  readonly onLookupChange?: (change: LookupChange) => void
}

export type ServerNamesOptions = NameLookupOptions & Pick<DiscoveredServicesOptions, 'health' | 'isBusy' | 'onChange'>

const PROBLEMS: Readonly<Record<Exclude<LookupOutcome, 'found'>, string>> = {
  nxdomain: 'the name does not exist',
  nodata: 'the name has no address',
  servfail: 'the DNS server fails',
  refused: 'the DNS server refuses the question, or cannot be reached',
  timeout: 'no DNS server answers',
  failed: 'the lookup fails',
}

/** Describes why a lookup has found nothing; null = it has found something. */
export function problemOf(outcome: LookupOutcome | null): string | null {
  return outcome === null || outcome === 'found' ? null : PROBLEMS[outcome]
}

/** The names of servers at this instance: what DNS has found for them, and how their lookups go. */
export class ServerNames {
  readonly services: DiscoveredServices
  private readonly discovery: Discovery
  /** Number of lookups by outcome. */
  private readonly counts = new Map<LookupOutcome, number>()
  private readonly onLookupChange: (change: LookupChange) => void

  constructor({ health, isBusy, onChange, ...options }: ServerNamesOptions) {
    this.onLookupChange = options.onLookupChange ?? (() => undefined)
    this.discovery = new Discovery({
      client: options.client ?? new DnsClient({ servers: [], timeoutMs: 2_000 }),
      known: options.known ?? (() => ({})),
      onServers: (query) => {
        this.services.found(query)
        options.onKnown?.(this.discovery.known())
      },
      onLookup: (outcome) => this.count(outcome),
      onChange: this.onLookupChange,
    })
    this.services = new DiscoveredServices({ discovery: this.discovery, health, isBusy, onChange })
    NAMES.onLookup = (host, before) => this.systemLookup(host, before)
  }

  /** Looks up the names of these services from now on, and no others. */
  follow(services: Readonly<Record<string, Service>>): void {
    this.services.tidy((name) => own(services, name) !== undefined)
    this.discovery.follow(this.services.wanted())
  }

  /** Resolves once every name has been looked up, or after `timeoutMs`. */
  looked(timeoutMs: number): Promise<void> {
    return this.discovery.looked(timeoutMs)
  }

  /** Whether the name of a server has not been looked up yet. */
  isPending(service: Service, server: Server): boolean {
    const discover = discoverOf(service, server)
    return server.closed === 'unresolved' && discover !== undefined && this.discovery.isPending(queryOf(discover))
  }

  /** What is known of the name of a server; null = it has none. */
  of(service: Service, server: Server): NameInUse | null {
    const discover = discoverOf(service, server)
    if (discover !== undefined) {
      const { outcome, servers } = this.discovery.standingOf(queryOf(discover))
      const own = server.foundBy === undefined ? (servers ?? []).map(({ address }) => address) : [hostOf(server.url)]
      return { name: discover.name, addresses: [...new Set(own)], problem: problemOf(outcome) }
    }
    const host = NAMES.peek(hostOf(server.url))
    if (host === undefined) return null
    const addresses = host.addresses.map(({ address }) => address)
    return { name: host.name, addresses, problem: problemOf(outcomeOf(host.problem)) }
  }

  /** Names whose last lookup has found nothing, and why. */
  failing(): readonly (readonly [name: string, problem: string])[] {
    const bySystem = NAMES.failing().map(({ name, problem }) => [name, outcomeOf(problem)] as const)
    return [...this.discovery.failing(), ...bySystem].map(([name, outcome]) => [name, problemOf(outcome) ?? ''])
  }

  /** Lookups so far, by outcome. */
  lookups(): readonly (readonly [LookupOutcome, number])[] {
    return [...this.counts]
  }

  stop(): void {
    this.services.stop()
    this.discovery.stop()
  }

  private count(outcome: LookupOutcome): void {
    this.counts.set(outcome, (this.counts.get(outcome) ?? 0) + 1)
  }

  /** Counts a lookup by the system, and reports it like one of our own. */
  private systemLookup({ name, problem, addresses }: HostName, before: string): void {
    const outcome = outcomeOf(problem)
    this.count(outcome)
    if (outcome !== outcomeOf(before))
      this.onLookupChange({ name, records: 'addresses', outcome, keepsLast: addresses.length > 0 })
  }
}

/** What DNS is asked for a server; undefined = it is one server, whatever addresses it has. */
function discoverOf({ spec }: Service, { pool, name, foundBy = name }: Server): Discover | undefined {
  return own(own(spec.pools, pool)?.servers ?? {}, foundBy)?.discover
}

/** The host in a server's URL, without brackets. */
function hostOf(url: string): string {
  const [, host = ''] = /^[a-z0-9+]+:\/\/(\[[^\]]*\]|[^:/]*)/.exec(url) ?? []
  return isIP(host) === 0 ? host.replace(/^\[|\]$/g, '') : host
}

/** Outcome of a lookup by the system; `problem`: its error code, empty = none. */
function outcomeOf(problem: string): LookupOutcome {
  if (problem === '') return 'found'
  if (problem === 'ENOTFOUND') return 'nxdomain'
  return problem === 'ENODATA' ? 'nodata' : 'failed'
}
