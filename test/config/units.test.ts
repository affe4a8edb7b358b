import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, parseDuration, parsePercent, parseSize, parseStatuses } from '../../src/config/units.ts'

test('durations are in ms, seconds, minutes, hours and days; 0 needs no unit', () => {
  expect(['250ms', '5s', '2m', '1h', '1d', 0].map(parseDuration)).toEqual([
    250, 5000, 120_000, 3_600_000, 86_400_000, 0,
  ])
})

test.for([5, '5', '5 s', '-5s', '1.5s', '5S', 's', '', '1h30m', null, true, '9999999999s', '5s\n'])(
  '%j is no duration',
  (given) => {
    expect(parseDuration(given)).toBeUndefined()
  },
)

test('a formatted duration reads back as the same', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999_999_999 }), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBe(ms)
    }),
  )
  expect([90_000, 120_000, 0].map(formatDuration)).toEqual(['90s', '2m', '0ms'])
})

test('sizes are binary, with units in any case; plain numbers are bytes', () => {
  expect(['512b', '64kb', '2MB', '1gb', 0, 100].map(parseSize)).toEqual([512, 65_536, 2_097_152, 2 ** 30, 0, 100])
})

test.for(['64', '64kib', '64 kb', '1.5mb', 1.5, -1, Number.NaN, 2 ** 60, null, '999999999gb'])(
  '%j is no size',
  (given) => {
    expect(parseSize(given)).toBeUndefined()
  },
)

test('percentages need the sign, except for 0', () => {
  expect(['20%', '0.5%', '100%', '0%', 0].map(parsePercent)).toEqual([20, 0.5, 100, 0, 0])
  expect(['20', 20, '101%', '100.5%', '-1%', '%', '0.123%'].map(parsePercent)).toEqual(Array(7).fill(undefined))
})

test('status codes are single ones, ranges, or lists of both', () => {
  expect(parseStatuses('200-299')).toEqual([[200, 299]])
  expect(parseStatuses('200, 204,300-399')).toEqual([
    [200, 200],
    [204, 204],
    [300, 399],
  ])
  expect(parseStatuses(200)).toEqual([[200, 200]])
  expect(['299-200', '2xx', '600', '', '200-', 99, '200,,201'].map(parseStatuses)).toEqual(Array(7).fill(undefined))
})
