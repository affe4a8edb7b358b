import { expect, test } from 'vitest'
import { ago, counted, listed, milliseconds, percent, rate, share } from '../../dashboard/src/format.ts'
import { changeLines, splitText } from '../../dashboard/src/parts/change-text.ts'

test.each([
  [null, '–'],
  [0, '0 %'],
  [0.000_04, '<0.01 %'],
  [0.001_23, '0.12 %'],
  [0.05, '5.0 %'],
  [0.123, '12 %'],
  [1, '100 %'],
])('a share of %j is shown as %j', (part, text) => expect(share(part)).toBe(text))

test('durations, rates and times have the unit that suits them', () => {
  expect([null, 0.44, 12.3, 9_999, 12_345].map(milliseconds)).toEqual(['–', '0.4 ms', '12 ms', '9,999 ms', '12.3 s'])
  expect([0, 0.04, 9.94, 1234].map(rate)).toEqual(['0/s', '<0.1/s', '9.9/s', '1,234/s'])
  const now = Date.parse('2026-01-02T00:00:00Z')
  const since = (seconds: number) => ago(new Date(now - seconds * 1_000).toISOString(), now)
  expect([-5, 59, 60, 3_600, 90_000, 172_800].map(since)).toEqual(['0 s', '59 s', '1 min', '1 h', '25 h', '2 d'])
})

test('names and numbers of things are sentences', () => {
  expect([counted(1, 'server'), counted(0, 'server'), counted(2_000, 'entry', 'entries')]).toEqual([
    '1 server',
    '0 servers',
    '2,000 entries',
  ])
  expect([listed([]), listed(['a']), listed(['a', 'b', 'c'])]).toEqual(['', 'a', 'a, b and c'])
  expect([percent(100), percent(33.333), percent(0.5)]).toEqual(['100 %', '33.33 %', '0.5 %'])
})

test('a change is told by what differs', () => {
  expect(changeLines({ from: { blue: 100, green: 0 }, to: { blue: 0, green: 100 } })).toEqual([
    'blue: 100 → 0',
    'green: 0 → 100',
  ])
  expect(changeLines({ from: { a: { b: [1], c: 1 } }, to: { a: { b: [1, 2], c: 1 } } })).toEqual(['a.b: [1] → [1,2]'])
  expect(changeLines({ from: null, to: null })).toEqual([])
  expect(changeLines({ from: 'ready', to: 'drain' })).toEqual(['ready → drain'])
  expect(changeLines({ from: {}, to: { reason: 'x'.repeat(500) } })[0]).toHaveLength('reason: none → '.length + 121)
})

test('a split is told without the pools that have no share', () => {
  expect(splitText({ blue: 62.5, green: 37.5, red: 0 })).toBe('blue 62.5 %, green 37.5 %')
  for (const none of [null, 'ready', {}, { state: 'drain' }, [100]]) expect(splitText(none)).toBe(null)
})
