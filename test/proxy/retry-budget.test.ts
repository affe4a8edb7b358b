import { expect, test } from 'vitest'
import { RetryBudget } from '../../src/proxy/routing/retry-budget.ts'

const RESERVE = 10

/** How many retries a budget of 20 % pays for after `requests`, all at once. */
function affordedAfter(requests: number): number {
  const budget = new RetryBudget()
  budget.share = 0.2
  for (let i = 0; i < RESERVE; i++) budget.spend()
  for (let i = 0; i < requests; i++) budget.earn()
  let retries = 0
  while (retries < 1_000 && budget.spend()) retries++
  return retries
}

test('a request earns its share of a retry', () => {
  expect(affordedAfter(0)).toBe(0)
  expect(affordedAfter(26)).toBe(5)
})

test('a quiet day saves up no more than the reserve', () => {
  expect(affordedAfter(100_000)).toBe(RESERVE)
})

test('a budget of zero pays for no retry, not even from the reserve', () => {
  expect(new RetryBudget().spend()).toBe(false)
})
