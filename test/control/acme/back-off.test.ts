import { expect, test } from 'vitest'
import { backOffMs, renewalAt } from '../../../src/control/acme/back-off.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

test('a name that was refused waits an hour, doubling up to a day', () => {
  const pauses = [1, 2, 3, 4, 5, 6, 20].map((failures) => backOffMs('validation', failures, 0, 0) / HOUR_MS)
  expect(pauses).toEqual([1, 2, 4, 8, 16, 24, 24])
  expect(backOffMs('rateLimited', 1, 0, 1)).toBe(1.1 * HOUR_MS)
})

test('a server that is away is asked again after a minute, doubling up to an hour', () => {
  const pauses = [1, 2, 6, 7, 20].map((failures) => backOffMs('unreachable', failures, 0, 0) / 60_000)
  expect(pauses).toEqual([1, 2, 32, 60, 60])
})

test('the server is never asked before it wants to be', () => {
  expect(backOffMs('rateLimited', 1, 7 * DAY_MS, 0)).toBe(7 * DAY_MS)
  expect(backOffMs('rateLimited', 1, 7 * DAY_MS, 0.5)).toBe(7 * DAY_MS + 15_000)
  expect(backOffMs('unreachable', 1, 5_000, 0)).toBe(60_000)
})

test('a certificate is renewed at two thirds of its life, a little earlier by chance, and never at once', () => {
  expect(renewalAt(0, 90 * DAY_MS, 0, 0)).toBe(60 * DAY_MS)
  expect(renewalAt(0, 90 * DAY_MS, 0, 1)).toBeCloseTo(58.2 * DAY_MS, 0)
  // An hour of life that is left of a day.
  expect(renewalAt(0, DAY_MS, 23 * HOUR_MS, 0)).toBe(23 * HOUR_MS + HOUR_MS / 3)
})
