import type { ToControl } from '../model/messages.ts'

/** How far the data plane has come with a revision and with what it sends to rest. */
export interface Standing {
  /** Every proxy half has the table of this revision in force. */
  readonly applied: boolean
  /** Those that have not. */
  readonly lagging: readonly string[]
  /** Requests under way by target key, for the targets asked about. */
  readonly busy: Readonly<Record<string, number>>
}

interface ProxyStanding {
  appliedRevision: number
  /** Requests under way at targets that take no new ones. */
  busy: Map<string, number>
}

interface Waiter {
  readonly revision: number
  readonly keys: readonly string[]
  cut: number
  readonly check: () => void
}

/** Keeps account of what every proxy half has applied and what it still has under way; lets one wait for either. */
export class Progress {
  private readonly proxies = new Map<string, ProxyStanding>()
  private readonly waiters = new Set<Waiter>()
  /** Proxy halves that live, as far as is known, whether they have been heard of yet or not. */
  private expected: ReadonlySet<string> = new Set()

  /** Sets who lives: what is not heard of them counts as not applied. */
  expect(proxies: Iterable<string>): void {
    this.expected = new Set(proxies)
    this.checkAll()
  }

  add(proxy: string): void {
    this.proxies.set(proxy, { appliedRevision: -1, busy: new Map() })
  }

  /** A proxy half that is gone has nothing under way, and is waited for no longer, unless it is still expected. */
  remove(proxy: string): void {
    this.proxies.delete(proxy)
    this.checkAll()
  }

  take(proxy: string, message: Extract<ToControl, { type: 'applied' | 'idle' }>): void {
    const standing = this.proxies.get(proxy)
    if (standing === undefined) return
    if (message.type === 'applied') {
      standing.appliedRevision = message.revision
      standing.busy = new Map(Object.entries(message.busy))
    } else {
      standing.busy.delete(message.key)
      for (const waiter of this.waiters) if (waiter.keys.includes(message.key)) waiter.cut += message.cut
    }
    this.checkAll()
  }

  /** The lowest revision that every proxy half has applied. */
  appliedRevision(): number {
    if (this.missing().length > 0 || this.proxies.size === 0) return -1
    return Math.min(...[...this.proxies.values()].map((proxy) => proxy.appliedRevision))
  }

  /** What a proxy half has applied; -1 = nothing yet. */
  appliedBy(proxy: string): number {
    return this.proxies.get(proxy)?.appliedRevision ?? -1
  }

  private missing(): string[] {
    return [...this.expected].filter((name) => !this.proxies.has(name))
  }

  standing(revision: number, keys: readonly string[]): Standing {
    const behind = [...this.proxies].filter(([, proxy]) => proxy.appliedRevision < revision).map(([name]) => name)
    const lagging = [...behind, ...this.missing()]
    const busy: Record<string, number> = {}
    for (const { busy: counts } of this.proxies.values()) {
      for (const key of keys) {
        const count = counts.get(key)
        if (count !== undefined) busy[key] = (busy[key] ?? 0) + count
      }
    }
    return { applied: lagging.length === 0, lagging, busy }
  }

  /**
   * Resolves once every proxy half has applied `revision` and none has anything under way at `keys`, or after
   * `timeoutMs` with how things stand then. `cut`: requests cut at those targets meanwhile.
   */
  wait(revision: number, keys: readonly string[], timeoutMs: number): Promise<Standing & { cut: number }> {
    return new Promise((resolve) => {
      const end = (standing: Standing): void => {
        clearTimeout(timer)
        this.waiters.delete(waiter)
        resolve({ ...standing, cut: waiter.cut })
      }
      const check = (): void => {
        const standing = this.standing(revision, keys)
        if (standing.applied && Object.keys(standing.busy).length === 0) end(standing)
      }
      const waiter: Waiter = { revision, keys, cut: 0, check }
      const timer = setTimeout(() => end(this.standing(revision, keys)), timeoutMs)
      this.waiters.add(waiter)
      check()
    })
  }

  private checkAll(): void {
    for (const waiter of [...this.waiters]) waiter.check()
  }
}
