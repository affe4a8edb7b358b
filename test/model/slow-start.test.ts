import { expect, test } from 'vitest'
import { weightShare } from '../../src/model/slow-start.ts'

test.for([
  [0, 0.1],
  [-5, 0.1],
  [5_000, 0.55],
  [9_000, 0.91],
  [10_000, 1],
  [Number.POSITIVE_INFINITY, 1],
])('after %d ms of a slow start of 10 s, a server has %d of its weight', ([takesForMs, share]) => {
  expect(weightShare(takesForMs as number, 10_000)).toBeCloseTo(share as number, 10)
})

test('without slow start a server has all of its weight at once', () => {
  expect(weightShare(0, 0)).toBe(1)
})
