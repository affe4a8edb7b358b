import type { ToControl } from '../model/messages.ts'

interface ProxyProgress {
  appliedGeneration: number
  /** Requests in flight by key, at targets that take no new ones. */
  busy: Map<string, number>
}

/** Max targets whose cut requests are remembered. */
const MAX_CUT_TARGETS = 1_000

/** Tracks the table that each proxy of this instance has in force, and its requests in flight at draining targets. */
export class Progress {
  private readonly proxies = new Map<string, ProxyProgress>()
  /** Proxies that are alive, attached or not. */
  private expected: ReadonlySet<string> = new Set()
  private readonly cutByKey = new Map<string, number>()
  private readonly onChange: () => void

  /** `onChange`: called whenever a proxy has made progress, or the set of proxies has changed. */
  constructor(onChange: () => void) {
    this.onChange = onChange
  }

  /** Sets which proxies are alive: until they are attached, no table counts as applied. */
  expect(proxies: Iterable<string>): void {
    this.expected = new Set(proxies)
    this.onChange()
  }

  add(proxy: string): void {
    this.proxies.set(proxy, { appliedGeneration: -1, busy: new Map() })
    this.onChange()
  }

  /** Removes a proxy that is gone: it has no requests in flight. Waits still include it while it is expected. */
  remove(proxy: string): void {
    this.proxies.delete(proxy)
    this.onChange()
  }

  take(name: string, message: Extract<ToControl, { type: 'applied' | 'idle' }>): void {
    const proxy = this.proxies.get(name)
    if (proxy === undefined) return
    if (message.type === 'applied') {
      proxy.appliedGeneration = message.generation
      proxy.busy = new Map(Object.entries(message.busy))
    } else {
      proxy.busy.delete(message.key)
      if (message.cut > 0) this.count(message.key, message.cut)
    }
    this.onChange()
  }

  /** The highest generation that every proxy has in force; -1 = none. */
  applied(): number {
    if (this.missing().length > 0 || this.proxies.size === 0) return -1
    return Math.min(...[...this.proxies.values()].map(({ appliedGeneration }) => appliedGeneration))
  }

  /** The generation that a proxy has in force; -1 = none yet. */
  appliedBy(proxy: string): number {
    return this.proxies.get(proxy)?.appliedGeneration ?? -1
  }

  /** Names of the proxies that do not have `generation` in force. */
  lagging(generation: number): readonly string[] {
    const behind = [...this.proxies].filter(([, { appliedGeneration }]) => appliedGeneration < generation)
    return [...behind.map(([name]) => name), ...this.missing()]
  }

  /** Requests in flight by target key, at targets that take no new ones, in all proxies. */
  busy(): Readonly<Record<string, number>> {
    const sums: Record<string, number> = {}
    for (const { busy } of this.proxies.values()) for (const [key, count] of busy) sums[key] = (sums[key] ?? 0) + count
    return sums
  }

  /** Number of requests cut at their deadline so far, by target key; the last `MAX_CUT_TARGETS` targets only. */
  cut(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.cutByKey)
  }

  private missing(): string[] {
    return [...this.expected].filter((name) => !this.proxies.has(name))
  }

  private count(key: string, cut: number): void {
    const sum = (this.cutByKey.get(key) ?? 0) + cut
    this.cutByKey.delete(key)
    this.cutByKey.set(key, sum)
    const [oldest] = this.cutByKey.keys()
    if (this.cutByKey.size > MAX_CUT_TARGETS && oldest !== undefined) this.cutByKey.delete(oldest)
  }
}
