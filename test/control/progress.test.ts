import { expect, test } from 'vitest'
import { Progress } from '../../src/control/progress.ts'

/** Progress with these expected proxies; those with a generation have reported it. */
function progressOf(expected: readonly string[], reported: Readonly<Record<string, number>>): Progress {
  const progress = new Progress(() => undefined)
  progress.expect(expected)
  for (const [name, generation] of Object.entries(reported)) {
    progress.add(name)
    progress.take(name, { type: 'applied', generation, busy: {} })
  }
  return progress
}

test('a generation is applied once every proxy has it', () => {
  const progress = progressOf(['worker-1', 'worker-2'], { 'worker-1': 7, 'worker-2': 5 })
  expect(progress.applied()).toBe(5)
  expect(progress.lagging(6)).toEqual(['worker-2'])
})

test('an expected proxy that is not attached delays every generation', () => {
  const progress = progressOf(['worker-1', 'worker-2'], { 'worker-1': 7 })
  expect(progress.applied()).toBe(-1)
  expect(progress.lagging(7)).toEqual(['worker-2'])
})

test('an attached proxy without a report delays every generation', () => {
  const progress = progressOf(['worker-1'], { 'worker-1': 7 })
  progress.add('worker-2')
  expect(progress.applied()).toBe(-1)
})

test('a proxy whose link is gone is waited for while it is expected', () => {
  const progress = progressOf(['worker-1', 'worker-2'], { 'worker-1': 7, 'worker-2': 7 })
  progress.remove('worker-2')
  expect(progress.applied()).toBe(-1)
  progress.expect(['worker-1'])
  expect(progress.applied()).toBe(7)
  expect(progress.lagging(7)).toEqual([])
})

test('without proxies no generation is applied', () => {
  expect(progressOf([], {}).applied()).toBe(-1)
})
