import type { HealthChecker } from '../health/checker.ts'
import { withoutMark } from './next-servers.ts'

/** Max keys of servers that `undecided()` returns. */
const MAX_SHOWN = 5

/** Waits for the end of the first rounds of checks; see `HealthChecker.isUndecided`. */
export class FirstRounds {
  private readonly checker: HealthChecker
  private onOver: (() => void) | null = null

  constructor(checker: HealthChecker) {
    this.checker = checker
  }

  /** Checks in their first round: their number, and the keys of some of their servers. */
  undecided(): { readonly count: number; readonly some: readonly string[] } {
    const some = this.checker.undecided(MAX_SHOWN).map(withoutMark)
    return { count: this.checker.undecidedCount, some: [...new Set(some)] }
  }

  /** Resolves once the first round of checks of every server is over, after `timeoutMs`, or with `stop`. */
  over(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.onOver = () => {
        clearTimeout(timer)
        resolve()
      }
      this.check()
    })
  }

  /** Ends the wait if they are over; to be called whenever a check has a result. */
  check(): void {
    if (this.checker.undecidedCount === 0) this.stop()
  }

  /** Ends the wait. */
  stop(): void {
    this.onOver?.()
    this.onOver = null
  }
}
