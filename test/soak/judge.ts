import type { Failure, Result, Vitals } from './figures.ts'

/** What may be left more than there was after the warm-up. */
export const MORE_FILE_DESCRIPTORS = 10
const MEMORY_FACTOR = 1.3
const MORE_MEMORY_BYTES = 50_000_000

/** The most memory that may be taken at the end, of so much after the warm-up. */
export function mostMemory(bytes: number): number {
  return bytes * MEMORY_FACTOR + MORE_MEMORY_BYTES
}

/** Whether what a process takes is what it took before, as far as can be asked. */
export function hasComeBack(now: Vitals, start: Vitals): boolean {
  return whatIsLeft(now, start).length === 0
}

/** Every promise that was broken, in words; empty when none was. */
export function judge(result: Result): string[] {
  const { unexplainedCount, unexplained, refusedOperations, sentTwice, loggedErrors, start, end, ended } = result
  const broken: string[] = []
  if (ended !== null) broken.push(`Cutover ended by itself: ${ended}`)
  if (unexplainedCount.steady > 0) {
    broken.push(`${unexplainedCount.steady} requests to steady failed, such as ${example(unexplained, 'steady')}`)
  }
  if (unexplainedCount.rough > 0) {
    const example_ = example(unexplained, 'rough')
    broken.push(`${unexplainedCount.rough} failures on rough that nothing explains, such as ${example_}`)
  }
  if (sentTwice.length > 0) broken.push(`${sentTwice.length} POSTs were sent twice, such as ${sentTwice[0]}`)
  if (refusedOperations.length > 0) {
    broken.push(`${refusedOperations.length} operations were not done, such as ${refusedOperations[0]}`)
  }
  if (loggedErrors.length > 0) {
    broken.push(`Cutover logged ${loggedErrors.length} errors, such as ${loggedErrors[0]?.slice(0, 300)}`)
  }
  // Of a process that has ended nothing can be measured.
  if (ended === null) broken.push(...whatIsLeft(end, start))
  return broken
}

function whatIsLeft(end: Vitals, start: Vitals): string[] {
  const left: string[] = []
  if (end.inFlight !== 0) left.push(`${end.inFlight} requests are in flight with nobody asking`)
  if (end.fileDescriptors > start.fileDescriptors + MORE_FILE_DESCRIPTORS) {
    left.push(`${end.fileDescriptors} file descriptors are open, ${start.fileDescriptors} were after the warm-up`)
  }
  for (const [name, key] of [
    ['RSS', 'rssBytes'],
    ['heap', 'heapBytes'],
  ] as const) {
    const most = mostMemory(start[key])
    if (end[key] > most)
      left.push(`${name} is ${mb(end[key])}, more than ${mb(most)} (${mb(start[key])} × 1.3 + 50 MB)`)
  }
  return left
}

function example(failures: readonly Failure[], service: Failure['service']): string {
  const failure = failures.find((each) => each.service === service)
  return failure === undefined ? 'none that was kept' : `${failure.id} (${failure.detail})`
}

export function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}
