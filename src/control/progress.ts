import type { ToControl } from '../model/messages.ts'

interface ProxyProgress {
  appliedGeneration: number
  /** Requests under way at targets that take no new ones. */
  busy: Map<string, number>
}

/** Targets whose cut requests are remembered. */
const MOST_CUT = 1_000

/** Keeps account of which table every proxy half of this instance has in force, and of what it still has under way. */
export class Progress {
  private readonly proxies = new Map<string, ProxyProgress>()
  /** Proxy halves that live, as far as is known, whether they have been heard of yet or not. */
  private expected: ReadonlySet<string> = new Set()
  private readonly cutByKey = new Map<string, number>()
  private readonly onChange: () => void

  /** `onChange`: called whenever somebody has come further. */
  constructor(onChange: () => void) {
    this.onChange = onChange
  }

  /** Sets who lives: what is not heard of them counts as not applied. */
  expect(proxies: Iterable<string>): void {
    this.expected = new Set(proxies)
    this.onChange()
  }

  add(proxy: string): void {
    this.proxies.set(proxy, { appliedGeneration: -1, busy: new Map() })
    this.onChange()
  }

  /** A proxy half that is gone has nothing under way, and is waited for no longer, unless it is still expected. */
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

  /** The last generation of the table that every proxy half has in force; -1 = none. */
  applied(): number {
    if (this.missing().length > 0 || this.proxies.size === 0) return -1
    return Math.min(...[...this.proxies.values()].map(({ appliedGeneration }) => appliedGeneration))
  }

  /** The generation that a proxy half has in force; -1 = none yet. */
  appliedBy(proxy: string): number {
    return this.proxies.get(proxy)?.appliedGeneration ?? -1
  }

  /** The proxy halves that do not have `generation` in force. */
  lagging(generation: number): readonly string[] {
    const behind = [...this.proxies].filter(([, { appliedGeneration }]) => appliedGeneration < generation)
    return [...behind.map(([name]) => name), ...this.missing()]
  }

  /** Requests under way by target key, at targets that take no new ones, over all proxy halves. */
  busy(): Readonly<Record<string, number>> {
    const sums: Record<string, number> = {}
    for (const { busy } of this.proxies.values()) for (const [key, count] of busy) sums[key] = (sums[key] ?? 0) + count
    return sums
  }

  /** How many requests were cut at their deadline so far, by target key; of the last targets where there were any. */
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
    if (this.cutByKey.size > MOST_CUT && oldest !== undefined) this.cutByKey.delete(oldest)
  }
}
