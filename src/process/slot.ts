import type { Child } from './child.ts'

/** A worker that dies sooner than this has not lived. */
const LIVED_MS = 5_000
const FIRST_DELAY_MS = 100
const MOST_DELAY_MS = 10_000

/** Waits longer before each start of what dies at once whenever it is started: nobody is helped by a fork bomb. */
export class BackOff {
  /** Deaths in a row of what had hardly lived. */
  deaths = 0

  /** How long to wait before the next start, ms. */
  died(livedMs: number): number {
    this.deaths = livedMs < LIVED_MS ? this.deaths + 1 : 0
    return this.deaths === 0 ? 0 : Math.min(MOST_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.deaths - 1))
  }
}

/** A place for one worker: its share of the connections and of what is limited. */
export class Slot {
  readonly index: number
  readonly backOff = new BackOff()
  /** Takes connections. */
  current: Child | null = null
  /** About to take the place of `current`. */
  coming: Child | null = null
  /** How the last one ended, if there is none now. */
  lastEnd = ''

  constructor(index: number) {
    this.index = index
  }
}
