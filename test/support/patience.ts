import { availableParallelism, loadavg } from 'node:os'

/**
 * The time, ms, that something may take now which takes at most `ms` on an idle machine: tests run beside each other, and each
 * process gets its part of the cores.
 */
export function patience(ms: number): number {
  return ms * Math.max(1, (loadavg()[0] ?? 0) / availableParallelism())
}
