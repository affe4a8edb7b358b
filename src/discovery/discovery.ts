import { type Discover, type FoundServer, queryOf } from '../model/discovery.ts'
import { own } from '../model/names.ts'
import type { DnsClient, LookupOutcome } from '../net/dns-client.ts'
import { lookUp } from './lookup.ts'
import { WatchedName } from './watched-name.ts'

/** What is known of a name. */
export interface NameStanding {
  /** Outcome of the last lookup; null = there was none yet. */
  readonly outcome: LookupOutcome | null
  /** The last known servers; null = the name never had any. */
  readonly servers: readonly FoundServer[] | null
}

/** A lookup that went otherwise than the one before. */
export interface LookupChange {
  readonly name: string
  readonly records: Discover['records']
  readonly outcome: LookupOutcome
  /** Whether there are servers from an earlier lookup. */
  readonly keepsLast: boolean
}

export interface DiscoveryOptions {
  readonly client: DnsClient
  /** Servers that a previous process has found, by query. */
  readonly known: () => Readonly<Record<string, readonly FoundServer[]>>
  /** Called when the servers of a name have changed. */
  readonly onServers: (query: string) => void
  /** Called after each lookup. */
  readonly onLookup?: (outcome: LookupOutcome) => void
  /** Called when the outcome of the lookups of a name has changed; a first lookup that finds servers is no change. */
  readonly onChange?: (change: LookupChange) => void
  /** From 0 to below 1. */
  readonly random?: () => number
}

/** Looks up the names of servers for as long as definitions have them. */
export class Discovery {
  private readonly options: DiscoveryOptions
  private readonly names = new Map<string, WatchedName>()
  /** Called once no name is pending any more. */
  private readonly waiting = new Set<() => void>()

  constructor(options: DiscoveryOptions) {
    this.options = options
  }

  /** Looks these names up from now on, and no others. */
  follow(wanted: Iterable<Discover>): void {
    const shortest = new Map<string, Discover>()
    for (const discover of wanted) {
      const query = queryOf(discover)
      const other = shortest.get(query)
      if (other === undefined || discover.refreshMs < other.refreshMs) shortest.set(query, discover)
    }
    for (const [query, name] of this.names) {
      if (shortest.has(query)) continue
      name.stop()
      this.names.delete(query)
    }
    for (const [query, discover] of shortest) {
      const known = this.names.get(query)
      if (known === undefined) this.begin(query, discover)
      else known.setRefresh(discover.refreshMs)
    }
    this.tellWaiting()
  }

  standingOf(query: string): NameStanding {
    const { outcome = null, servers = null } = this.names.get(query) ?? {}
    return { outcome, servers: servers ?? this.remembered(query) }
  }

  /** The last known servers of all names, by query. */
  known(): Readonly<Record<string, readonly FoundServer[]>> {
    return Object.fromEntries(
      [...this.names].flatMap(([query, { servers }]) => (servers === null ? [] : [[query, servers]])),
    )
  }

  /** Names whose last lookup has found nothing. */
  failing(): readonly (readonly [name: string, outcome: LookupOutcome])[] {
    return [...this.names.values()].flatMap(({ name, outcome }) =>
      outcome === null || outcome === 'found' ? [] : [[name, outcome] as const],
    )
  }

  /** Whether a name has not been looked up yet, and no servers are known from a previous process. */
  isPending(query: string): boolean {
    const name = this.names.get(query)
    return name !== undefined && isPending(name)
  }

  /** Resolves once no name is pending any more, or after `timeoutMs`. */
  looked(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        this.waiting.delete(end)
        resolve()
      }
      const timer = setTimeout(end, timeoutMs)
      this.waiting.add(end)
      this.tellWaiting()
    })
  }

  stop(): void {
    for (const name of this.names.values()) name.stop()
    this.names.clear()
    this.tellWaiting()
  }

  private begin(query: string, discover: Discover): void {
    const { client, random = Math.random } = this.options
    const name = new WatchedName({
      discover,
      known: this.remembered(query),
      lookUp: (asked, before) => lookUp(client, asked, before),
      onLookup: (_name, hasChanged) => {
        const { outcome } = name
        if (outcome === null) return
        this.options.onLookup?.(outcome)
        if (outcome !== (last ?? 'found'))
          this.options.onChange?.({ name: name.name, records: name.records, outcome, keepsLast: name.servers !== null })
        last = outcome
        if (hasChanged) this.options.onServers(query)
        this.tellWaiting()
      },
      random,
    })
    let last: LookupOutcome | null = null
    this.names.set(query, name)
    name.begin()
  }

  private remembered(query: string): readonly FoundServer[] | null {
    return own(this.options.known(), query) ?? null
  }

  private tellWaiting(): void {
    if (this.waiting.size === 0 || [...this.names.values()].some(isPending)) return
    for (const end of [...this.waiting]) end()
  }
}

function isPending({ outcome, servers }: WatchedName): boolean {
  return outcome === null && servers === null
}
