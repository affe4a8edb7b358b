import { DURATION_BUCKETS } from './durations.ts'

/** Places of the counts in a `TickRow`; see there. */
export const Figure = {
  requests: 0,
  errors: 1,
  left: 2,
  tries: 3,
  failures: 4,
  retries: 5,
  mirrored: 6,
} as const
export const FIGURE_COUNT = 7

/** Sums of counts and durations. */
export class Figures {
  readonly counts = new Float64Array(FIGURE_COUNT)
  readonly durations = new Uint32Array(DURATION_BUCKETS)

  /** Adds a row: its counts, and its durations as pairs of bucket and count. */
  addRow(counts: readonly number[], durations: readonly number[]): void {
    for (let i = 0; i < FIGURE_COUNT; i++) this.counts[i] = (this.counts[i] as number) + (counts[i] ?? 0)
    for (let i = 0; i + 1 < durations.length; i += 2) {
      const bucket = durations[i] as number
      this.durations[bucket] = (this.durations[bucket] as number) + (durations[i + 1] as number)
    }
  }

  add({ counts, durations }: Figures): void {
    for (let i = 0; i < FIGURE_COUNT; i++) this.counts[i] = (this.counts[i] as number) + (counts[i] as number)
    for (let i = 0; i < DURATION_BUCKETS; i++)
      this.durations[i] = (this.durations[i] as number) + (durations[i] as number)
  }
}
