import { expect, test } from 'vitest'
import { Totals } from '../../src/control/totals.ts'
import type { Report, SeriesReport } from '../../src/model/messages.ts'

const MINUTE_MS = 60_000

function series(version: string, count: number): SeriesReport {
  const histogram = { buckets: [count], sumSeconds: count }
  return { service: 'shop', pool: 'blue', version, codes: { 200: count }, durations: histogram, upstream: histogram }
}

function report(changes: Partial<Report>): Report {
  return {
    inFlight: {},
    queued: {},
    held: {},
    connections: 0,
    listeners: {},
    whole: false,
    series: [],
    tallies: [],
    ended: [],
    rows: [],
    versions: [],
    accessLogDropped: 0,
    traceSpansDropped: 0,
    handshakes: [],
    ...changes,
  }
}

const all = { isCurrent: () => true, exists: () => true }
const counts = (totals: Totals, isCurrent: (each: SeriesReport) => boolean = all.isCurrent) =>
  Object.fromEntries(totals.read({ ...all, isCurrent }).series.map(({ version, codes }) => [version, codes[200]]))

test('a report keeps series that it does not contain; a whole report replaces all', () => {
  const totals = new Totals()
  totals.take('a', report({ series: [series('1', 5), series('2', 1)] }))
  totals.take('b', report({ series: [series('1', 10)] }))
  totals.take('a', report({ series: [series('2', 4)] }))
  expect(counts(totals)).toEqual({ 1: 15, 2: 4 })
  totals.take('a', report({ whole: true, series: [series('2', 6)] }))
  expect(counts(totals)).toEqual({ 1: 10, 2: 6 })
})

test('proxies and series that have ended stay in the totals', () => {
  const totals = new Totals()
  const tallies = [{ kind: 'retries' as const, service: 'shop', label: 'connect', count: 2 }]
  totals.take('a', report({ series: [series('1', 5)], tallies }))
  totals.take('b', report({ series: [series('1', 3)], tallies }))
  totals.retire('a')
  totals.take('b', report({ ended: ['shop/blue/1'] }))
  expect(counts(totals)).toEqual({ 1: 8 })
  totals.take('b', report({ series: [series('1', 1)] }))
  expect(counts(totals)).toEqual({ 1: 9 })
  expect(totals.read(all).tallies).toEqual([{ kind: 'retries', service: 'shop', label: 'connect', count: 4 }])
})

test('series that are not current are shown for a while, then forgotten', () => {
  let nowMs = 0
  const totals = new Totals(() => nowMs)
  totals.take('a', report({ series: [series('1', 5), series('2', 1)] }))
  totals.retire('a')
  totals.take('b', report({ series: [series('1', 5)] }))
  const isCurrent = ({ version }: SeriesReport) => version === '2'
  expect(counts(totals, isCurrent)).toEqual({ 1: 10, 2: 1 })
  nowMs = 1.9 * MINUTE_MS
  expect(counts(totals, isCurrent)).toEqual({ 1: 10, 2: 1 })
  nowMs = 2.1 * MINUTE_MS
  expect(counts(totals, isCurrent)).toEqual({ 2: 1 })
  expect(counts(totals)).toEqual({ 2: 1 })
})

test('the tallies of a service are shown though it has answered nothing, and no longer once it is gone', () => {
  let nowMs = 0
  const totals = new Totals(() => nowMs)
  const dropped = { kind: 'mirrorDropped' as const, service: 'shop', label: 'no_server', count: 2 }
  totals.take('a', report({ tallies: [dropped] }))
  expect(totals.read(all).tallies).toEqual([dropped])
  const gone = { isCurrent: () => false, exists: () => false }
  expect(totals.read(gone).tallies).toEqual([])
  totals.take('a', report({ series: [series('1', 5)] }))
  expect(totals.read(gone).tallies).toEqual([dropped])
  nowMs = 11 * MINUTE_MS
  expect(totals.read(gone).tallies).toEqual([])
})
