import { availableParallelism, loadavg } from 'node:os'

/** Below the time limit of a test, so that what it waits for is told, ms. */
const MAX_MS = 100_000

/**
 * The time, ms, that something may take now which takes at most `ms` on an idle machine: tests run beside each other, and each
 * process gets its part of the cores.
 */
export function patience(ms: number): number {
  const factor = Math.max(1, (loadavg()[0] ?? 0) / availableParallelism())
  return Math.max(ms, Math.min(MAX_MS, ms * factor))
}
