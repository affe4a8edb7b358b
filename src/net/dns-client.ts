import dns, { type SrvRecord } from 'node:dns'
import { isIP } from 'node:net'

/** What a lookup has come to. */
export type LookupOutcome = 'found' | 'nxdomain' | 'nodata' | 'servfail' | 'refused' | 'timeout' | 'failed'

/** Records of a name; those of a lookup that found none are empty. */
export interface LookupResult<T> {
  readonly outcome: LookupOutcome
  readonly records: readonly T[]
  /** How long they are valid, ms; null = not known. */
  readonly ttlMs: number | null
}

export interface DnsClientOptions {
  /** Address and port of each server; empty = those of the system. */
  readonly servers: readonly string[]
  /** Max time for one attempt at one server, ms. */
  readonly timeoutMs: number
}

const TRIES = 2

const OUTCOMES: Readonly<Record<string, LookupOutcome>> = {
  ECANCELLED: 'failed',
  ECONNREFUSED: 'refused',
  ENODATA: 'nodata',
  ENOTFOUND: 'nxdomain',
  EREFUSED: 'refused',
  ESERVFAIL: 'servfail',
  ETIMEOUT: 'timeout',
}

/** Asks DNS servers, past the files and the search domains of the system. Its promises never reject. */
export class DnsClient {
  private readonly options: DnsClientOptions
  private resolver: dns.promises.Resolver | null = null

  constructor(options: DnsClientOptions) {
    this.options = options
  }

  /** Whether it asks the servers of the system. */
  get isOfSystem(): boolean {
    return this.options.servers.length === 0
  }

  /** Looks up the addresses of one family. */
  async addresses(name: string, family: 4 | 6): Promise<LookupResult<string>> {
    return this.ask(async (resolver) => {
      const found = await (family === 4
        ? resolver.resolve4(name, { ttl: true })
        : resolver.resolve6(name, { ttl: true }))
      return { records: found.map(({ address }) => address), ttlMs: Math.min(...found.map(({ ttl }) => ttl)) * 1_000 }
    })
  }

  /** Looks up the SRV records, whose TTL node does not tell. */
  async services(name: string): Promise<LookupResult<SrvRecord>> {
    return this.ask(async (resolver) => ({ records: await resolver.resolveSrv(name), ttlMs: null }))
  }

  private async ask<T>(
    question: (resolver: dns.promises.Resolver) => Promise<Omit<LookupResult<T>, 'outcome'>>,
  ): Promise<LookupResult<T>> {
    this.resolver ??= this.createResolver()
    try {
      const { records, ttlMs } = await question(this.resolver)
      return { outcome: records.length === 0 ? 'nodata' : 'found', records, ttlMs }
    } catch (error) {
      const outcome = OUTCOMES[(error as NodeJS.ErrnoException).code ?? ''] ?? 'failed'
      // The next lookup reads the configuration of the system again: its servers may have changed.
      if (outcome !== 'nxdomain' && outcome !== 'nodata') this.resolver = null
      return { outcome, records: [], ttlMs: null }
    }
  }

  private createResolver(): dns.promises.Resolver {
    const { servers, timeoutMs } = this.options
    const resolver = new dns.promises.Resolver({ timeout: timeoutMs, tries: TRIES })
    if (servers.length > 0) resolver.setServers([...servers])
    return resolver
  }
}

/**
 * Looks up all addresses of a name as the system does: by its files, search domains and DNS. Never rejects. Reads
 * `dns.lookup` at each call, so that it can be replaced.
 */
export function lookUpBySystem(name: string): Promise<LookupResult<string>> {
  return new Promise((resolve) => {
    dns.lookup(name, { all: true }, (error, found) => {
      const records = error === null ? found.map(({ address }) => address).filter((each) => isIP(each) !== 0) : []
      const outcome = error === null ? 'nodata' : error.code === 'ENOTFOUND' ? 'nxdomain' : 'failed'
      resolve({ outcome: records.length > 0 ? 'found' : outcome, records, ttlMs: null })
    })
  })
}
