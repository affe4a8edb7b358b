import { setTimeout as delay } from 'node:timers/promises'
import type { Ledger } from './ledger.ts'
import type { Mode } from './upstream-messages.ts'
import type { UpstreamProcess } from './upstream-process.ts'

const TROUBLES = ['reset', 'SIGKILL', 'break off', 'stall', 'reset idle', 'nonsense', 'SIGTERM'] as const
type Name = (typeof TROUBLES)[number]

/** How long a server is in trouble, and how long all are well in between. */
const EPISODE_MS = 1_200
const PEACE_MS = 400
/** How long a server that was ended stays away. */
const AWAY_MS = 300

/** Has one server after the other get into trouble, of each sort in turn, and never two at a time. */
export class Disturber {
  /** How often there was which trouble. */
  readonly episodes: Record<string, number> = {}
  /** For whoever watches. */
  now: Name | 'peace' = 'peace'
  private readonly upstreams: readonly UpstreamProcess[]
  private readonly ledger: Ledger
  private running: Promise<void> = Promise.resolve()
  private ending = new AbortController()
  private count = 0

  constructor(upstreams: readonly UpstreamProcess[], ledger: Ledger) {
    this.upstreams = upstreams
    this.ledger = ledger
  }

  /** Rejects when it cannot go on. */
  start(): Promise<void> {
    this.ending = new AbortController()
    this.running = this.run()
    return this.running
  }

  /** Resolves when all servers are well again. */
  async end(): Promise<void> {
    this.ending.abort()
    await this.running
  }

  /** Begins nothing new. */
  abandon(): void {
    this.ending.abort()
    this.running.catch(() => undefined)
  }

  private async run(): Promise<void> {
    const { signal } = this.ending
    while (!signal.aborted) {
      // Numbers without a common divisor: in time every server has had every trouble.
      const upstream = this.upstreams[this.count % this.upstreams.length]
      const name = TROUBLES[this.count++ % TROUBLES.length]
      if (upstream === undefined || name === undefined) throw new Error('unreachable')
      this.episodes[name] = (this.episodes[name] ?? 0) + 1
      this.now = name
      if (name === 'SIGTERM' || name === 'SIGKILL') await this.restart(upstream, name)
      else await this.disturb(upstream, name)
      this.now = 'peace'
      await delay(PEACE_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  private async restart(upstream: UpstreamProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const close = this.ledger.begin(signal)
    await upstream.end(signal)
    await delay(AWAY_MS)
    await upstream.start()
    close()
  }

  private async disturb(upstream: UpstreamProcess, mode: Mode): Promise<void> {
    const close = mode === 'reset idle' ? this.ledger.begin(mode) : null
    upstream.become(mode)
    await delay(EPISODE_MS, undefined, { signal: this.ending.signal }).catch(() => undefined)
    upstream.become('fine')
    close?.()
  }
}
