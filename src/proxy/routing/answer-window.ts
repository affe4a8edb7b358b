import type { FuseCount } from '../../model/rollout/table-rollout.ts'

/** Slots of a window: an answer counts for 95 to 100 % of the window's time. */
const SLOTS = 20

/** Answers of a pool in a window of time that moves on by slots. */
export class AnswerWindow {
  /** Within the window as of the last `advance`. */
  answers = 0
  failures = 0
  /** Failures without a connection. */
  unreachable = 0
  private readonly slotMs: number
  private readonly answersOf = new Uint32Array(SLOTS)
  private readonly failuresOf = new Uint32Array(SLOTS)
  private readonly unreachableOf = new Uint32Array(SLOTS)
  /** Number of the slot that `advance` has reached, from 0 at the start of the clock. */
  private newest = 0

  constructor(windowMs: number) {
    this.slotMs = windowMs / SLOTS
  }

  /** Counts an answer. `unreachable`: there was no connection. `now`: monotonic ms. */
  add(ok: boolean, now: number, unreachable = false): void {
    this.advance(now)
    const at = this.newest % SLOTS
    this.answersOf[at] = (this.answersOf[at] as number) + 1
    this.answers++
    if (ok) return
    this.failuresOf[at] = (this.failuresOf[at] as number) + 1
    this.failures++
    if (!unreachable) return
    this.unreachableOf[at] = (this.unreachableOf[at] as number) + 1
    this.unreachable++
  }

  /** Forgets the answers that are too old. `now`: monotonic ms. */
  advance(now: number): void {
    const slot = Math.floor(now / this.slotMs)
    for (let i = Math.max(this.newest + 1, slot - SLOTS + 1); i <= slot; i++) {
      const at = i % SLOTS
      this.answers -= this.answersOf[at] as number
      this.failures -= this.failuresOf[at] as number
      this.unreachable -= this.unreachableOf[at] as number
      this.answersOf[at] = 0
      this.failuresOf[at] = 0
      this.unreachableOf[at] = 0
    }
    if (slot > this.newest) this.newest = slot
  }

  /** What is in the window as of the last `advance`. */
  count(): FuseCount {
    return { answers: this.answers, failures: this.failures, unreachable: this.unreachable }
  }
}
