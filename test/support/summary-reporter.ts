import type { SerializedError } from 'vitest'
import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node'

/** Prints what scripts read: `N passed, N failed`, and `, N skipped` where there are any, as the run's last line. */
export class SummaryReporter implements Reporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    unhandledErrors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 }
    for (const module of modules) {
      const failedBefore = count.failed
      for (const test of module.children.allTests()) count[test.result().state]++
      // A file that cannot be loaded, or whose hook throws, fails without a failed test in it.
      if (!module.ok() && count.failed === failedBefore) count.failed++
    }
    if (count.failed === 0 && (reason === 'failed' || unhandledErrors.length > 0 || modules.length === 0))
      count.failed = 1

    const skipped = count.skipped + count.pending
    process.stdout.write(`${count.passed} passed, ${count.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
  }
}
