import { describe, expect, test } from 'vitest'
import { Counters } from '../../src/telemetry/counters.ts'
import { Histogram, REQUEST_BUCKETS_SECONDS } from '../../src/telemetry/histogram.ts'

describe('a histogram', () => {
  test('has increasing bounds and one more bucket than bounds', () => {
    expect([...REQUEST_BUCKETS_SECONDS].sort((a, b) => a - b)).toEqual(REQUEST_BUCKETS_SECONDS)
    expect(new Histogram().buckets).toHaveLength(REQUEST_BUCKETS_SECONDS.length + 1)
  })

  test('counts a duration in the first bucket whose bound is not below it, as Prometheus’ `le` requires', () => {
    for (const [i, bound] of REQUEST_BUCKETS_SECONDS.entries()) {
      const histogram = new Histogram()
      histogram.observe(bound)
      expect(histogram.buckets.findIndex((count) => count > 0)).toBe(i)
      histogram.observe(bound * 1.000001)
      expect(histogram.buckets[i + 1]).toBe(1)
    }
  })

  test('counts durations beyond all bounds, and sums all durations', () => {
    const histogram = new Histogram()
    for (const seconds of [0, 1e-9, 31, 1e6]) histogram.observe(seconds)
    expect([histogram.buckets[0], histogram.buckets.at(-1)]).toEqual([2, 2])
    expect(histogram.buckets.reduce((a, b) => a + b)).toBe(4)
    expect(histogram.sumSeconds).toBeCloseTo(1_000_031, 6)
  })
})

describe('counters', () => {
  test('count by service, pool, version and code', () => {
    const counters = new Counters()
    const blue = counters.seriesFor('shop', 'blue', '1')
    blue.observe(200, 0.002)
    blue.observe(200, 0.2)
    blue.observe(502, 40)
    counters.seriesFor('shop', 'blue', '2').observe(200, 0.002)
    const { series } = counters.report(true)
    expect(series).toHaveLength(2)
    expect(series[0]).toMatchObject({ service: 'shop', pool: 'blue', version: '1', codes: { 200: 2, 502: 1 } })
    expect(series[0]?.durations.buckets.reduce((a, b) => a + b)).toBe(3)
    expect(series[0]?.durations.sumSeconds).toBeCloseTo(40.202)
    expect(series[1]).toMatchObject({ version: '2', codes: { 200: 1 } })
  })

  test('are the same for the same names, so that totals never decrease', () => {
    const counters = new Counters()
    counters.seriesFor('shop', 'blue', '1').observe(200, 0.1)
    expect(counters.seriesFor('shop', 'blue', '1')).toBe(counters.seriesFor('shop', 'blue', '1'))
    counters.seriesFor('shop', 'blue', '1').observe(200, 0.1)
    expect(counters.report(true).series[0]?.codes).toEqual({ 200: 2 })
  })

  test('a series without a response is not reported', () => {
    const counters = new Counters()
    counters.seriesFor('', '', '')
    expect(counters.report(true).series).toEqual([])
  })

  test.each([0, -1, 1_000, 70_000, Number.NaN])('an invalid status counts as 0 (%d)', (status) => {
    const counters = new Counters()
    counters.seriesFor('a', 'b', 'c').observe(status, 1)
    expect(counters.report(true).series[0]?.codes).toEqual({ 0: 1 })
  })

  test('retries count by service and reason', () => {
    const counters = new Counters()
    counters.tally('retries', 'shop', 'connection_refused').add()
    counters.tally('retries', 'shop', 'connection_refused').add()
    counters.tally('retries', 'shop', 'connection_terminated').add()
    counters.tally('retries', 'other', 'connection_refused').add()
    expect(counters.report(true).tallies).toEqual([
      { kind: 'retries', service: 'shop', label: 'connection_refused', count: 2 },
      { kind: 'retries', service: 'shop', label: 'connection_terminated', count: 1 },
      { kind: 'retries', service: 'other', label: 'connection_refused', count: 1 },
    ])
  })

  test('a report is a copy that later counts do not change', () => {
    const counters = new Counters()
    const series = counters.seriesFor('a', 'b', 'c')
    series.observe(200, 1)
    counters.tally('retries', 'a', 'x').add()
    const before = counters.report(true)
    const copy = structuredClone(before)
    series.observe(200, 1)
    counters.tally('retries', 'a', 'x').add()
    expect(before).toEqual(copy)
  })
})
