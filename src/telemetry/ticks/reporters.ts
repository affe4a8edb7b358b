/** Seconds that are remembered. */
const KEPT = 130

/** Number of instances whose counts of each of the last seconds are known. */
export class Reporters {
  private readonly seconds = new Float64Array(KEPT)
  private readonly counts = new Uint32Array(KEPT)

  add(second: number, instances: number): void {
    const slot = second % KEPT
    if (this.seconds[slot] !== second) {
      // Of an older second than the slot has: it is not remembered.
      if ((this.seconds[slot] as number) > second) return
      this.seconds[slot] = second
      this.counts[slot] = 0
    }
    this.counts[slot] = (this.counts[slot] as number) + instances
  }

  at(second: number): number {
    const slot = second % KEPT
    return this.seconds[slot] === second ? (this.counts[slot] as number) : 0
  }
}
