import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { TickRow } from '../../../src/model/messages.ts'
import { Figures } from '../../../src/telemetry/ticks/figures.ts'
import { mergeRows } from '../../../src/telemetry/ticks/merge-rows.ts'
import { rowKey } from '../../../src/telemetry/ticks/row-names.ts'
import { addTick, encodeFigures } from '../../../src/telemetry/ticks/tick-bytes.ts'
import { type Span, TickHistory } from '../../../src/telemetry/ticks/tick-history.ts'

const START = 1_800_000_000

function row(server: string, requests: number, durations: readonly number[] = [3, requests], decision = 1): TickRow {
  return { service: 'shop', pool: 'blue', version: '1', decision, server, counts: [requests], durations }
}

/** Requests of each server in a span. */
function requestsIn(history: TickHistory, span: Span): Record<string, number> {
  const sums = new Map<string, Figures>()
  history.sum(span, ({ server }) => {
    const figures = sums.get(server) ?? new Figures()
    sums.set(server, figures)
    return figures
  })
  return Object.fromEntries([...sums].map(([server, { counts }]) => [server, counts[0] as number]))
}

const counts = fc.nat({ max: 2 ** 40 })
const figures = fc
  .tuple(
    fc.array(counts, { minLength: 7, maxLength: 7 }),
    fc.dictionary(fc.nat({ max: 183 }).map(String), fc.integer({ min: 1, max: 2 ** 32 - 1 })),
  )
  .map(([all, buckets]) => {
    const made = new Figures()
    made.addRow(
      all,
      Object.entries(buckets).flatMap(([bucket, count]) => [Number(bucket), count]),
    )
    return made
  })

test('encoded counts are read as they were', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.nat({ max: 1e6 }).map(String), figures, { maxKeys: 20 }), (byId) => {
      const rows = Object.entries(byId).map(([id, each]): [number, Figures] => [Number(id), each])
      const read = new Map<number, Figures>()
      addTick(encodeFigures(rows), (id) => {
        const empty = new Figures()
        read.set(id, empty)
        return empty
      })
      expect(read).toEqual(new Map(rows))
    }),
  )
})

test('rows that are left out do not shift those behind them', () => {
  const [first, second] = [new Figures(), new Figures()]
  first.addRow([300, 1], [5, 1_000, 183, 2])
  second.addRow([7], [0, 9])
  const read = new Figures()
  addTick(
    encodeFigures([
      [1, first],
      [2, second],
    ]),
    (id) => (id === 2 ? read : null),
  )
  expect(read).toEqual(second)
})

test('every window has exactly the counts of its seconds, those that came late included', () => {
  const ticks = fc.array(
    fc.record({
      // Mostly in order; some late by up to an hour.
      late: fc.oneof(fc.constant(0), fc.nat({ max: 3 }), fc.nat({ max: 3_600 })),
      server: fc.constantFrom('a', 'b', 'c'),
      requests: fc.integer({ min: 1, max: 1_000 }),
      step: fc.oneof(fc.constant(1), fc.nat({ max: 40 })),
    }),
    { minLength: 1, maxLength: 200 },
  )
  fc.assert(
    fc.property(ticks, fc.constantFrom(10, 60, 300, 3_600), fc.nat({ max: 400 }), (all, seconds, ago) => {
      const history = new TickHistory()
      const added: { second: number; server: string; requests: number }[] = []
      let now = START
      history.completeUntil(now - 4_000)
      for (const { late, server, requests, step } of all) {
        now += step
        const second = now - late
        // What is older than two hours has no place.
        history.add(second, [row(server, requests)])
        history.completeUntil(now + 1)
        added.push({ second, server, requests })
      }
      const span = history.span(seconds, now + 1 - ago)
      expect(span.to).toBeLessThanOrEqual(now + 1 - ago)
      expect(now + 1 - ago - span.to).toBeLessThan(10)
      const inSpan = added.filter(({ second }) => second >= span.from && second < span.to)
      const expected: Record<string, number> = {}
      for (const { server, requests } of inSpan) expected[server] = (expected[server] ?? 0) + requests
      expect(requestsIn(history, span)).toEqual(expected)
      // Longer than asked for by less than ten seconds; shorter only if there is nothing before.
      expect(span.to - span.from).toBeLessThan(seconds + 10)
      if (span.from > history.begin) expect(span.to - span.from).toBeGreaterThanOrEqual(seconds - 9)
    }),
    { numRuns: 300 },
  )
})

test('windows of ten seconds that follow each other have each request once', () => {
  const history = new TickHistory()
  let sent = 0
  for (let i = 0; i < 120; i++) {
    history.add(START + i, [row('a', i)])
    history.completeUntil(START + i + 1)
    sent += i
  }
  let found = 0
  for (let end = START + 10; end <= START + 120; end += 10) found += requestsIn(history, history.span(10, end)).a ?? 0
  expect(found).toBe(sent)
})

test('a window does not begin before the counts', () => {
  const history = new TickHistory()
  expect(history.span(60)).toEqual({ from: 0, to: 0 })
  history.completeUntil(START)
  history.completeUntil(START + 5)
  expect(history.span(60)).toEqual({ from: START, to: START + 5 })
  history.startAnew(START + 4)
  expect(history.span(60)).toEqual({ from: START + 4, to: START + 5 })
})

test('counts of two hours ago are forgotten, with their names', () => {
  const history = new TickHistory()
  history.completeUntil(START)
  history.add(START, [row('old', 5)])
  for (let second = START; second < START + 8_000; second += 10) {
    history.add(second, [row('new', 1)])
    history.completeUntil(second + 10)
  }
  expect(history.begin).toBeGreaterThan(START)
  expect(requestsIn(history, history.span(3_600))).toEqual({ new: 360 })
  expect(history.bytes).toBeLessThan(20_000)
  // The number of the forgotten name is used again; nothing of it may show.
  history.add(START + 8_000, [row('newest', 1)])
  history.completeUntil(START + 8_001)
  expect(requestsIn(history, history.span(60))).toEqual({ new: 5, newest: 1 })
})

test('rows of the same name are added up, and those of another decision are not', () => {
  const merged = mergeRows([row('a', 1, [3, 1]), row('b', 5), row('a', 2, [3, 1, 9, 1]), row('a', 4, [3, 4], 2)])
  expect(merged.map((each) => [rowKey(each).split('\u0000').slice(-2), each.counts[0], each.durations])).toEqual([
    [['1', 'a'], 3, [3, 2, 9, 1]],
    [['1', 'b'], 5, [3, 5]],
    [['2', 'a'], 4, [3, 4]],
  ])
})
