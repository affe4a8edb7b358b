import { setTimeout as delay } from 'node:timers/promises'

const FIRST_MS = 5
const LAST_MS = 60
const FACTOR = 1.25

/** Waits between two looks at something that takes its time: briefly at first, longer and longer then. */
export class Looks {
  private ms = FIRST_MS

  async wait(): Promise<void> {
    await delay(this.ms)
    this.ms = Math.min(LAST_MS, this.ms * FACTOR)
  }
}
