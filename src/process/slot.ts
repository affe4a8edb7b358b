import type { Child } from './child.ts'

/** A process that dies sooner than this after its start counts as an early death. */
const MIN_LIFE_MS = 5_000
const FIRST_DELAY_MS = 100
const MAX_DELAY_MS = 10_000

/** Delays restarts of a process that keeps dying right after its start, so that it cannot use up the CPU. */
export class BackOff {
  /** Number of early deaths in a row. */
  deaths = 0

  /**
   * Records a death after `livedMs`. Returns the delay before the next start, ms: 0 after a normal life, else doubling.
   */
  died(livedMs: number): number {
    this.deaths = livedMs < MIN_LIFE_MS ? this.deaths + 1 : 0
    return this.deaths === 0 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.deaths - 1))
  }
}

/** A place for one worker, with its share of the connections and of the limits. */
export class Slot {
  readonly index: number
  readonly backOff = new BackOff()
  /** The worker that accepts connections; null = none. */
  current: Child | null = null
  /** The worker that is starting and will replace `current`; null = none. */
  coming: Child | null = null
  /** How the last worker ended, while there is no current one; empty otherwise. */
  lastEnd = ''

  constructor(index: number) {
    this.index = index
  }
}
