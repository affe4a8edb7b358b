import type { Discover, FoundServer } from '../model/discovery.ts'
import type { LookupOutcome } from '../net/dns-client.ts'
import { LongTimer } from '../time/long-timer.ts'
import type { Answer } from './lookup.ts'

/** Min time from one lookup to the next, ms. */
const MIN_TTL_MS = 1_000
/** Time after which a failed lookup is repeated, ms. */
const RETRY_MS = 5_000

export interface WatchedNameOptions {
  readonly discover: Discover
  /** The last known servers; null = none are. */
  readonly known: readonly FoundServer[] | null
  readonly lookUp: (discover: Discover, before: readonly FoundServer[]) => Promise<Answer>
  /** Called after each lookup; `hasChanged`: the servers are others than before. */
  readonly onLookup: (name: WatchedName, hasChanged: boolean) => void
  /** From 0 to below 1. */
  readonly random: () => number
}

/** A name that is looked up again and again. A lookup that finds nothing keeps the last servers. */
export class WatchedName {
  readonly name: string
  readonly records: Discover['records']
  /** As last found; null = never. */
  servers: readonly FoundServer[] | null
  /** Of the last lookup; null = there was none yet. */
  outcome: LookupOutcome | null = null
  private discover: Discover
  private readonly options: WatchedNameOptions
  private timer: LongTimer | null = null
  private isStopped = false

  constructor(options: WatchedNameOptions) {
    this.options = options
    this.discover = options.discover
    this.name = options.discover.name
    this.records = options.discover.records
    this.servers = options.known
  }

  /** Looks the name up now, and then again whenever the answer is out of date. */
  begin(): void {
    void this.lookUp()
  }

  /** Applies another max time between lookups from the next one on, or at once if it is shorter. */
  setRefresh(refreshMs: number): void {
    const isShorter = refreshMs < this.discover.refreshMs
    this.discover = { ...this.discover, refreshMs }
    if (isShorter && this.timer !== null) this.schedule(refreshMs)
  }

  stop(): void {
    this.isStopped = true
    this.timer?.cancel()
  }

  private async lookUp(): Promise<void> {
    this.timer = null
    const { lookUp, onLookup } = this.options
    const { outcome, servers, ttlMs } = await lookUp(this.discover, this.servers ?? [])
    if (this.isStopped) return
    const isFound = outcome === 'found'
    const hasChanged = isFound && JSON.stringify(servers) !== JSON.stringify(this.servers)
    if (hasChanged) this.servers = servers
    this.outcome = outcome
    const { refreshMs } = this.discover
    const wantedMs = isFound ? (ttlMs ?? refreshMs) : RETRY_MS
    this.schedule(Math.max(MIN_TTL_MS, Math.min(wantedMs, refreshMs)))
    onLookup(this, hasChanged)
  }

  /** A little early, and not all names at the same moment. */
  private schedule(ms: number): void {
    this.timer?.cancel()
    const delayMs = Math.max(MIN_TTL_MS, ms * (0.9 + 0.1 * this.options.random()))
    this.timer = new LongTimer(delayMs, () => void this.lookUp()).unref()
  }
}
