import { expect, test } from 'vitest'
import { Counters } from '../../src/telemetry/counters.ts'

const MINUTE_MS = 60_000

/** Counters with a clock that the test sets. */
function counters() {
  const clock = { nowMs: 0 }
  return { clock, all: new Counters(() => clock.nowMs) }
}

const versions = (report: ReturnType<Counters['report']>) => report.series.map(({ version }) => version)

test('a report has the totals of what has changed since the last report; a whole report has all totals', () => {
  const { all } = counters()
  const [one, two] = [all.seriesFor('shop', 'blue', '1'), all.seriesFor('shop', 'blue', '2')]
  one.observe(200, 0.1)
  two.observe(200, 0.1)
  all.tally('retries', 'shop', 'connect').add()
  expect(versions(all.report(false))).toEqual(['1', '2'])
  expect(all.report(false)).toEqual({ whole: false, series: [], tallies: [], ended: [], rows: [], versions: [] })
  two.observe(500, 0.1)
  expect(all.report(false).series).toMatchObject([{ version: '2', codes: { 200: 1, 500: 1 } }])
  const whole = all.report(true)
  expect([whole.whole, versions(whole), whole.tallies]).toEqual([
    true,
    ['1', '2'],
    [{ kind: 'retries', service: 'shop', label: 'connect', count: 1 }],
  ])
})

test('a series that no table names any more is ended after a while, and starts at zero if it is counted again', () => {
  const { clock, all } = counters()
  const old = all.seriesFor('shop', 'blue', '1')
  old.observe(200, 0.1)
  all.forget('shop')
  all.seriesFor('shop', 'blue', '2')
  clock.nowMs = 0.5 * MINUTE_MS
  old.observe(200, 0.1)
  expect(all.report(false)).toMatchObject({ series: [{ version: '1', codes: { 200: 2 } }], ended: [] })
  clock.nowMs = 2 * MINUTE_MS
  expect(all.report(false)).toMatchObject({ series: [], ended: ['shop/blue/1'] })
  expect(all.report(true)).toMatchObject({ series: [], ended: [] })
  // A request that was in flight all the time.
  old.observe(200, 0.1)
  expect(all.report(false)).toMatchObject({ series: [{ version: '1', codes: { 200: 1 } }] })
})

test('a series that a table names again keeps its totals', () => {
  const { clock, all } = counters()
  all.seriesFor('shop', 'blue', '1').observe(200, 0.1)
  all.forget('shop')
  clock.nowMs = 0.5 * MINUTE_MS
  all.seriesFor('shop', 'blue', '1').observe(200, 0.1)
  clock.nowMs = 20 * MINUTE_MS
  expect(all.report(false)).toMatchObject({ series: [{ version: '1', codes: { 200: 2 } }], ended: [] })
})
