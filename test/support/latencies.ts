export interface Latency {
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Each bucket ends this much above the one before: percentiles are right to 2 %. */
const STEP = Math.log(1.02)
const LEAST_MS = 0.01
const BUCKETS = 1_000

/** Counts durations, at the same cost and in the same memory however many there are. */
export class Latencies {
  private readonly counts = new Uint32Array(BUCKETS)
  private total = 0

  add(ms: number): void {
    const bucket = Math.ceil(Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / STEP)
    const at = Math.min(bucket, BUCKETS - 1)
    this.counts[at] = (this.counts[at] ?? 0) + 1
    this.total++
  }

  get figures(): Latency {
    return { p50Ms: this.percentile(0.5), p99Ms: this.percentile(0.99) }
  }

  /** 0 where there was none. */
  private percentile(share: number): number {
    let left = this.total * share
    for (let i = 0; i < BUCKETS; i++) {
      left -= this.counts[i] ?? 0
      if (left <= 0 && this.total > 0) return LEAST_MS * Math.exp(STEP * i)
    }
    return 0
  }
}
