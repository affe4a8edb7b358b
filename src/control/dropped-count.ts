/** A number that each proxy counts since its start, added up; those of proxies that have ended stay in the total. */
export class DroppedCount {
  private readonly byProxy = new Map<string, number>()
  private before = 0

  /** `count`: as last reported. */
  take(proxy: string, count: number): void {
    this.byProxy.set(proxy, count)
  }

  /** Keeps the count of a proxy that has ended. */
  retire(proxy: string): void {
    this.before += this.byProxy.get(proxy) ?? 0
    this.byProxy.delete(proxy)
  }

  get total(): number {
    let sum = this.before
    for (const count of this.byProxy.values()) sum += count
    return sum
  }
}
