import dns, { type LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'

/** Looks up every address of a name. */
export type Lookup = (
  name: string,
  options: { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

export interface NamesOptions {
  readonly lookup?: Lookup
  /** Interval of lookups of a name in use, ms. */
  readonly refreshMs?: number
  /** Min time between lookups after connection failures, ms. */
  readonly recheckMs?: number
}

/** Half of the 30 s within which a change of address must be noticed; the other half allows for a slow lookup. */
const REFRESH_MS = 15_000
const RECHECK_MS = 1_000
const MAX_TICK_MS = 1_000

type LookupListener = (error: NodeJS.ErrnoException | null) => void

/** A host name and its last known addresses. `Names` keeps it up to date for as long as it is referenced. */
export class HostName {
  readonly name: string
  /** In the order in which they are tried. Kept when the name stops resolving. */
  addresses: readonly LookupAddress[] = []
  /** Number of address changes since the first lookup. */
  moves = 0
  /** Interval of lookups, ms. */
  refreshMs: number
  /** Error code of the last lookup; empty = it has found addresses, or there was none yet. */
  problem = ''
  /** Start of the last lookup, monotonic ms. */
  askedAt = Number.NEGATIVE_INFINITY
  private readonly waiting: LookupListener[] = []
  private isAsking = false
  private readonly names: Names

  constructor(name: string, names: Names) {
    this.name = name
    this.names = names
    this.refreshMs = names.refreshMs
  }

  /**
   * The `lookup` option of `net.connect`: answers from memory; only the first lookup of a name has to be waited for.
   */
  readonly lookup: LookupFunction = (_name, options, callback) => {
    this.whenKnown((error) => {
      const [first] = this.addresses
      if (first === undefined) callback(error ?? notFound(this.name), '')
      else if (options.all === true) callback(null, [...this.addresses])
      else callback(null, first.address, first.family)
    })
  }

  /** A `lookup` that answers with one address alone: the first one, or that many places after it. */
  lookupOne(turn: number): LookupFunction {
    return (_name, options, callback) => {
      this.whenKnown((error) => {
        const { length } = this.addresses
        const one = this.addresses[turn % Math.max(1, length)]
        if (one === undefined) callback(error ?? notFound(this.name), '')
        else if (options.all === true) callback(null, [one])
        else callback(null, one.address, one.family)
      })
    }
  }

  /** Looks the name up again, unless it was within the last `recheckMs`: a connection to its addresses has failed. */
  recheck(): void {
    if (performance.now() - this.askedAt >= this.names.recheckMs) this.refresh()
  }

  refresh(): void {
    if (this.isAsking) return
    this.isAsking = true
    this.askedAt = performance.now()
    this.names.lookup(this.name, { all: true }, (error, addresses) => {
      this.isAsking = false
      const before = this.problem
      this.problem = addresses?.length > 0 && error === null ? '' : (error?.code ?? 'ENODATA')
      if (this.problem === '') this.learn(inStableOrder(addresses))
      this.names.onLookup(this, before)
      for (const tell of this.waiting.splice(0)) tell(error)
    })
  }

  private whenKnown(then: LookupListener): void {
    if (this.addresses.length > 0) {
      then(null)
      return
    }
    this.waiting.push(then)
    this.refresh()
  }

  private learn(addresses: readonly LookupAddress[]): void {
    if (sameAddresses(addresses, this.addresses)) return
    if (this.addresses.length > 0) this.moves++
    this.addresses = addresses
  }
}

/**
 * The addresses of host names, shared by everything in this process that connects to servers, so that probes and
 * requests reach the same machine. Names are looked up every `refreshMs` while they are in use.
 */
export class Names {
  readonly lookup: Lookup
  readonly recheckMs: number
  readonly refreshMs: number
  /** Called after each lookup, with the `problem` of the one before. */
  onLookup: (host: HostName, before: string) => void = () => undefined
  /** Weak references: a name that no endpoint references any more is forgotten. */
  private readonly hosts = new Map<string, WeakRef<HostName>>()
  private timer: NodeJS.Timeout | null = null

  constructor({ lookup = systemLookup, refreshMs = REFRESH_MS, recheckMs = RECHECK_MS }: NamesOptions = {}) {
    this.lookup = lookup
    this.refreshMs = refreshMs
    this.recheckMs = recheckMs
  }

  /**
   * Returns a host name, which is kept up to date for as long as the caller references it. `changesWithinMs`: max time until
   * a change is noticed; the shortest one that was asked for counts.
   */
  host(name: string, changesWithinMs?: number): HostName {
    const known = this.peek(name)
    const host = known ?? new HostName(name, this)
    // The other half allows for a slow lookup.
    if (changesWithinMs !== undefined) host.refreshMs = Math.min(host.refreshMs, changesWithinMs / 2)
    if (known === undefined) this.hosts.set(name, new WeakRef(host))
    this.timer ??= setInterval(() => this.tick(), Math.min(MAX_TICK_MS, this.refreshMs)).unref()
    return host
  }

  /** Returns a name that is in use; undefined = it is not. */
  peek(name: string): HostName | undefined {
    return this.hosts.get(name)?.deref()
  }

  /** Names in use whose last lookup has found nothing. */
  failing(): readonly HostName[] {
    return [...this.hosts.values()].flatMap((weak) => {
      const host = weak.deref()
      return host === undefined || host.problem === '' ? [] : [host]
    })
  }

  private tick(): void {
    const now = performance.now()
    for (const [name, weak] of this.hosts) {
      const host = weak.deref()
      if (host === undefined) this.hosts.delete(name)
      else if (host.addresses.length > 0 && host.askedAt <= now - host.refreshMs) host.refresh()
    }
    if (this.hosts.size > 0 || this.timer === null) return
    clearInterval(this.timer)
    this.timer = null
  }
}

/** The names of this process. */
export const NAMES = new Names()

/**
 * Looks a name up as the system does: /etc/hosts, then DNS. Reads `dns.lookup` at each call, so that it can be
 * replaced.
 */
function systemLookup(...[name, options, callback]: Parameters<Lookup>): void {
  dns.lookup(name, options, callback)
}

/**
 * Sorts addresses within their family, the family that the system prefers first. DNS servers rotate the addresses;
 * sorting makes all processes try the same one first.
 */
function inStableOrder(addresses: readonly LookupAddress[]): LookupAddress[] {
  const first = addresses[0]?.family
  const unique = new Map(addresses.map((each) => [each.address, each]))
  return [...unique.values()].sort(
    (a, b) => Number(b.family === first) - Number(a.family === first) || (a.address < b.address ? -1 : 1),
  )
}

function sameAddresses(some: readonly LookupAddress[], others: readonly LookupAddress[]): boolean {
  return some.length === others.length && some.every(({ address }, i) => address === others[i]?.address)
}

function notFound(name: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`no address for ${name}`), { code: 'ENOTFOUND' })
}
