import { expect, test } from 'vitest'
import { eventRecord } from '../../src/model/events.ts'
import { compareIds, NO_ENTRY } from '../../src/store/entry-ids.ts'
import { KEEP_EVENTS, KeptEvents, type LoggedEvent } from '../../src/store/kept-events.ts'

const event = eventRecord({ type: 'health', at: '2026-11-29T00:00:00.000Z' })

function entry(n: number, previous = n === 1 ? NO_ENTRY : `${n - 1}-0`): LoggedEvent {
  return { id: `${n}-0`, previous, ref: '', event }
}

function keptTo(last: number): KeptEvents {
  const kept = new KeptEvents()
  for (let n = 1; n <= last; n++) kept.add(entry(n))
  return kept
}

const ids = (events: readonly LoggedEvent[]) => events.map(({ id }) => id)

test('ids are ordered by their numbers, not by their digits', () => {
  expect(['10-0', '9-2', '9-10'].sort(compareIds)).toEqual(['9-2', '9-10', '10-0'])
})

test('a reader at an id goes on with the next one, and an id of the log or before it is known', () => {
  const kept = keptTo(5)
  expect(ids(kept.after('3-0', 10))).toEqual(['4-0', '5-0'])
  expect(ids(kept.after(NO_ENTRY, 2))).toEqual(['1-0', '2-0'])
  expect([NO_ENTRY, '1-0', '5-0'].map((id) => kept.isKnown(id))).toEqual([true, true, true])
  expect(['2-1', '6-0'].map((id) => kept.isKnown(id))).toEqual([false, false])
})

test('an event that was delivered before is not new', () => {
  const kept = keptTo(3)
  expect(kept.add(entry(3))).toBe(false)
  expect(kept.add(entry(4))).toBe(true)
  expect(ids(kept.all)).toEqual(['1-0', '2-0', '3-0', '4-0'])
})

test('the newest 10,000 are kept, and a reader before them has missed some', () => {
  const last = 2 * KEEP_EVENTS
  const kept = keptTo(last)
  expect(kept.all.length).toBeGreaterThanOrEqual(KEEP_EVENTS)
  expect(kept.all.length).toBeLessThanOrEqual(KEEP_EVENTS + 1_000)
  expect(kept.isKnown(`${last - KEEP_EVENTS}-0`)).toBe(true)
  expect(kept.hasPassed('1-0')).toBe(true)
  expect(kept.nearest('1-0')).toBe(kept.all[0]?.previous)
  expect(kept.hasPassed(kept.newest)).toBe(false)
})

test('after a hole nothing from before it is kept: a reader there has missed some', () => {
  const kept = keptTo(5)
  kept.add(entry(9))
  expect(ids(kept.all)).toEqual(['9-0'])
  expect(kept.hasPassed('5-0')).toBe(true)
  expect(kept.isKnown('8-0')).toBe(true)
})

test('what the store has lost is dropped, and a reader after it has missed some', () => {
  const kept = keptTo(5)
  kept.dropAfter('3-0')
  expect(kept.newest).toBe('3-0')
  expect(kept.hasPassed('5-0')).toBe(true)
  expect(kept.nearest('5-0')).toBe('3-0')
  expect(kept.add({ ...entry(6), previous: '3-0' })).toBe(true)
  expect(ids(kept.all)).toEqual(['1-0', '2-0', '3-0', '6-0'])
})

test('what begins is open until what ends it', () => {
  const kept = keptTo(1)
  kept.add({ ...entry(2), opens: { subject: 'drain x', keys: ['k'] } })
  expect([...kept.open]).toEqual([['drain x', { id: '2-0', event, keys: ['k'] }]])
  kept.add({ ...entry(3), closes: 'drain x' })
  expect(kept.open.size).toBe(0)
})
