import type { TickRow } from '../../model/messages.ts'
import type { Figures } from './figures.ts'
import { Reporters } from './reporters.ts'
import { type RowName, RowNames } from './row-names.ts'
import { encodeTick } from './tick-bytes.ts'
import { TickRing } from './tick-ring.ts'

/** Two minutes by second, with some room for late counts, two hours by ten seconds, and the same by minute. */
const RINGS = [
  { seconds: 1, capacity: 130 },
  { seconds: 10, capacity: 730 },
  { seconds: 60, capacity: 125 },
] as const
const COARSE_SECONDS = 10
/** Time between two rounds of forgetting names, s. */
const TIDY_SECONDS = 600

/** A span of time: seconds since the epoch by the store's clock; `to` is not included. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** The counts of the last two hours by row. Counts are only ever added, those of past seconds too. */
export class TickHistory {
  private readonly names = new RowNames()
  private readonly fine = new TickRing(RINGS[0].seconds, RINGS[0].capacity)
  private readonly minutes = new TickRing(RINGS[2].seconds, RINGS[2].capacity)
  /** A minute gets the counts of ten seconds once these are over. */
  private readonly coarse = new TickRing(RINGS[1].seconds, RINGS[1].capacity, (start, bytes) =>
    this.minutes.add(start, bytes),
  )
  /** First second whose counts are known; null = none yet. */
  private since: number | null = null
  /** End of the last second whose counts are complete. */
  private until = 0
  private tidiedAt = 0
  private readonly reporters = new Reporters()

  /**
   * Adds the counts of a second; their durations are in ascending order. `instances`: number of those whose counts they
   * are.
   */
  add(second: number, rows: readonly TickRow[], instances = 1): void {
    this.reporters.add(second, instances)
    const bytes = encodeTick(rows.map((row) => [this.names.idOf(row, second), row] as const))
    const isLate = second < this.coarse.newestStart
    this.fine.add(second, bytes)
    this.coarse.add(second, bytes)
    if (isLate) this.minutes.add(second, bytes)
    this.since ??= second
  }

  /** The counts up to here are complete. */
  completeUntil(second: number): void {
    this.since ??= second
    this.until = Math.max(this.until, second)
    if (this.until - this.tidiedAt < TIDY_SECONDS) return
    this.tidiedAt = this.until
    this.names.forgetBefore(this.coarse.oldestAt(this.until))
  }

  /** Counts before `second` may be incomplete: they are not shown any more. */
  startAnew(second: number): void {
    this.since = second
    this.until = Math.max(this.until, second)
  }

  /**
   * The last `seconds`, or those before `to`. Times that are more than two minutes ago are rounded down to full ten
   * seconds; a span never begins before the counts do.
   */
  span(seconds: number, to = this.until): Span {
    const end = this.aligned(to)
    return { from: Math.min(end, Math.max(this.aligned(to - seconds), this.begin)), to: end }
  }

  private aligned(second: number): number {
    return second >= this.fine.oldestAt(this.until) ? second : second - (second % COARSE_SECONDS)
  }

  /** Number of instances whose counts of a second of the last two minutes are known. */
  instancesAt(second: number): number {
    return this.reporters.at(second)
  }

  /** First second of which there are counts. */
  get begin(): number {
    return Math.max(this.since ?? this.until, this.coarse.oldestAt(this.until))
  }

  /** End of the counts. */
  get end(): number {
    return this.until
  }

  /** Adds the counts of a span to the figures of their rows; null = the row is left out. */
  sum({ from, to }: Span, figuresOf: (name: RowName) => Figures | null): void {
    const known = new Map<number, Figures | null>()
    const ofId = (id: number): Figures | null => {
      const figures = known.get(id)
      if (figures !== undefined) return figures
      const found = figuresOf(this.names.nameOf(id))
      known.set(id, found)
      return found
    }
    for (let at = from; at < to; ) {
      const ring = this.ringFor(at, to)
      ring.addTo(at, ofId)
      at += ring.seconds
    }
  }

  /** Memory that the counts take, bytes. */
  get bytes(): number {
    return this.fine.bytes + this.coarse.bytes + this.minutes.bytes
  }

  /** The ring with the longest interval that begins at `at` and ends by `to`. */
  private ringFor(at: number, to: number): TickRing {
    const { minutes, coarse } = this
    if (isWhole(minutes, at, Math.min(to, coarse.newestStart)) && at >= minutes.oldestAt(this.until)) return minutes
    return isWhole(coarse, at, to) && at >= coarse.oldestAt(this.until) ? coarse : this.fine
  }
}

function isWhole({ seconds }: TickRing, at: number, to: number): boolean {
  return at % seconds === 0 && at + seconds <= to
}
