import type { HandshakeReport } from '../model/messages.ts'

/** Handshakes of all proxies since their start; those of proxies that have ended stay in the totals. */
export class HandshakeTotals {
  private readonly byProxy = new Map<string, readonly HandshakeReport[]>()
  private retired: readonly HandshakeReport[] = []

  /** `handshakes`: as last reported. */
  take(proxy: string, handshakes: readonly HandshakeReport[]): void {
    this.byProxy.set(proxy, handshakes)
  }

  /** Keeps the counts of a proxy that has ended. */
  retire(proxy: string): void {
    this.retired = addUp([this.retired, this.byProxy.get(proxy) ?? []])
    this.byProxy.delete(proxy)
  }

  get all(): readonly HandshakeReport[] {
    return addUp([this.retired, ...this.byProxy.values()])
  }
}

function addUp(all: readonly (readonly HandshakeReport[])[]): readonly HandshakeReport[] {
  const sums = new Map<string, HandshakeReport>()
  for (const each of all.flat()) {
    const key = `${each.listener} ${each.outcome}`
    sums.set(key, { ...each, count: each.count + (sums.get(key)?.count ?? 0) })
  }
  return [...sums.values()]
}
