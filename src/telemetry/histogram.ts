/** Upper bounds of request durations; the last bucket of a histogram is unbounded. */
export const REQUEST_BUCKETS_SECONDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
]

const BOUNDS = Float64Array.from(REQUEST_BUCKETS_SECONDS)

/** Histogram of durations in a typed array: `observe` costs a few nanoseconds, and an export is a plain copy. */
export class Histogram {
  readonly buckets = new Float64Array(BOUNDS.length + 1)
  sumSeconds = 0

  observe(seconds: number): void {
    let i = 0
    while (i < BOUNDS.length && seconds > (BOUNDS[i] as number)) i++
    this.buckets[i] = (this.buckets[i] as number) + 1
    this.sumSeconds += seconds
  }
}
