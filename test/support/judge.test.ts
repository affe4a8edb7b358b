import { expect, test } from 'vitest'
import type { HistoryEntry, JsonValue } from '../../src/model/state.ts'
import { Chance } from './chance.ts'
import { judge, type Standing } from './judge.ts'
import type { Attempt, Outcome } from './ledger.ts'
import { outcomeOf, outcomeOfFailure } from './ledger.ts'

const UNKNOWN: Outcome = { kind: 'unknown', why: '503 Outcome unknown' }
const REFUSED: Outcome = { kind: 'refused', why: '503 The store is away' }
const UNCHANGED: Outcome = { kind: 'acknowledged', revision: 3, changed: false }

const made = (revision: number): Outcome => ({ kind: 'acknowledged', revision, changed: true })

/** A command that was asked for in the order of its number. */
function attempt(number: number, outcome: Outcome, rest: Partial<Attempt> = {}): Attempt {
  const times = { sentAt: number * 10, endedAt: number * 10 + 5 }
  return { reason: `r${number}`, instance: 'one', what: 'POST', key: null, ifMatch: null, ...times, outcome, ...rest }
}

function entry(revision: number, reason: string | null, rest: Partial<HistoryEntry> = {}): HistoryEntry {
  const said = { at: `at ${revision}`, by: 'test', reason, action: 'drain', service: 'alpha', forced: false }
  return { revision, ...said, from: null, to: null, ...rest }
}

/** Revision 1 is the file's; r2 to r4 were made by commands of that number. */
const ATTEMPTS = [attempt(2, made(2)), attempt(3, made(3)), attempt(4, UNKNOWN), attempt(5, REFUSED)]
const ENTRIES = [entry(4, 'r4'), entry(3, 'r3'), entry(2, 'r2'), entry(1, null)]

function standing(rest: Partial<Standing> = {}): Standing {
  return { instance: 'one', revision: 4, services: [{ name: 'alpha' }], histories: { alpha: ENTRIES }, ...rest }
}

const judged = (attempts: readonly Attempt[], alpha: readonly HistoryEntry[] = ENTRIES, revision = 4) =>
  judge(attempts, [standing({ histories: { alpha }, revision })])

test('nothing is wrong where nothing is, whatever has become of what is unknown', () => {
  expect(judge(ATTEMPTS, [standing(), standing({ instance: 'two' })])).toEqual([])
  expect(judged(ATTEMPTS, ENTRIES.slice(1), 3)).toEqual([])
  expect(judged([...ATTEMPTS, attempt(6, UNCHANGED)])).toEqual([])
})

test('instances that differ', () => {
  const differs = (rest: Partial<Standing>) => judge(ATTEMPTS, [standing(), standing({ instance: 'two', ...rest })])
  expect(differs({ revision: 3 })).toEqual(['one and two are at different revisions, 4 and 3'])
  expect(differs({ services: [] })).toEqual(['one and two have different services'])
  expect(differs({ histories: { alpha: [] } })).toEqual(['one and two tell different histories'])
  expect(judge(ATTEMPTS, [])).toEqual(['no instance was left'])
})

test('an acknowledged write that is lost, or is there as another revision', () => {
  const others = ENTRIES.filter(({ reason }) => reason !== 'r3')
  expect(judged(ATTEMPTS, others)).toEqual([
    'the history says nothing of 3; 4 is in force',
    'r3 (POST) was acknowledged by one as revision 3, and is not in the history',
  ])
  expect(judged([attempt(2, made(3)), ...ATTEMPTS.slice(1)])).toContain(
    'r2 (POST) was acknowledged by one as revision 3, and is in the history as 2',
  )
})

test('the newest hundred entries of a service are kept, whatever becomes of the store; older ones may be lost', () => {
  const of = (revision: number) => ({ ...attempt(revision, made(revision)), what: 'POST /api/services/alpha/switch' })
  const newest = Array.from({ length: 100 }, (_, i) => entry(103 - i, `r${103 - i}`))
  const attempts = [of(3), ...newest.map(({ revision }) => of(revision))]
  expect(judged(attempts, newest, 103)).toEqual([])
  expect(judged(attempts, newest.slice(0, 99), 103)).toContainEqual(expect.stringContaining('r3 '))
  expect(judged(attempts.slice(0, 99), newest.slice(0, 99), 103)).toContainEqual(
    expect.stringContaining('the history says nothing of 1, 2, 3, 4;'),
  )
})

test('a refused write that was made, and one that changed nothing', () => {
  const instead = (outcome: Outcome) => judged([...ATTEMPTS.slice(0, 2), attempt(4, outcome)])
  expect(instead(REFUSED)).toEqual(['r4 (POST) was answered 503 The store is away, and is in the history as 4'])
  expect(instead(UNCHANGED)).toEqual(['r4 (POST) was answered unchanged, and is in the history as 4'])
  expect(judged(ATTEMPTS.slice(0, 2))).toEqual(['r4 is in the history, and nobody asked for it'])
})

test('a command that was done twice: an unknown one, and one with an Idempotency-Key', () => {
  const twice = [entry(5, 'r4'), ...ENTRIES]
  const found = 'was done more than once: it is in the history as 5 and 4'
  expect(judged(ATTEMPTS, twice, 5)).toEqual([`r4 (POST) ${found}`])
  const keyed = [attempt(4, UNKNOWN, { key: 'k' }), attempt(4, made(5), { key: 'k' })]
  expect(judged([...ATTEMPTS.slice(0, 2), ...keyed], twice, 5)).toContain(`r4 (POST, key k) ${found}`)
  // Once is what is promised, however often it was asked for.
  const once = [attempt(4, UNKNOWN, { key: 'k' }), attempt(4, REFUSED, { key: 'k' }), attempt(4, made(4), { key: 'k' })]
  expect(judged([...ATTEMPTS.slice(0, 2), ...once])).toEqual([])
})

test('a history that no one command after the other has made', () => {
  const swapped = [ENTRIES[1], ENTRIES[0], ENTRIES[2], ENTRIES[3]] as HistoryEntry[]
  expect(judged(ATTEMPTS, swapped)).toEqual(['in the history of alpha revision 3 comes after 4'])
  const shared = { alpha: ENTRIES, beta: [entry(3, 'r4', { service: 'beta' })] }
  expect(judge(ATTEMPTS, [standing({ histories: shared })])).toContain('revision 3 was made by several: r3, r4')
  expect(judged(ATTEMPTS, ENTRIES, 3)).toContain('revision 4 is in the history, and 3 is in force')
  const route = (revision: number, from: JsonValue, to: JsonValue) =>
    entry(revision, `r${revision}`, { action: 'switch', from, to })
  const lost = [route(4, { blue: 100 }, { green: 100 }), route(3, { blue: 100 }, { blue: 50, green: 50 })]
  expect(judged(ATTEMPTS, [...lost, ...ENTRIES.slice(2)])).toEqual([
    'revision 4 of alpha goes on from the split {"blue":100}, not from {"blue":50,"green":50} before it',
  ])
})

test('a later command with an earlier revision, and an If-Match that was passed over', () => {
  const late = [attempt(2, made(3)), attempt(3, made(2))]
  const entries = [entry(3, 'r2'), entry(2, 'r3'), entry(1, null)]
  expect(judged(late, entries, 3)).toEqual(['r3 made revision 2, and was sent after r2 had made 3'])
  const conditional = [attempt(2, made(2)), attempt(3, made(3), { ifMatch: 1 }), attempt(4, UNKNOWN)]
  expect(judged(conditional)).toEqual(['r3 with If-Match 1 made 3 of alpha, which 2 had changed'])
})

test('what an answer says of the state', () => {
  const outcome = (status: number, body: object) => outcomeOf({ status, body, headers: new Headers() })
  expect(outcome(200, { revision: 7, changed: true })).toEqual(made(7))
  expect(outcome(504, { revision: 7, changed: true })).toEqual(made(7))
  expect(outcome(412, { title: 'Moved' }).kind).toBe('refused')
  expect(outcome(503, { title: 'The store is away' }).kind).toBe('refused')
  expect(outcome(503, { title: 'Outcome unknown' }).kind).toBe('unknown')
  expect(outcome(409, { title: 'Overtaken by a later change', revision: 7 })).toMatchObject({ revision: 7 })
  expect(outcomeOfFailure(new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } })).kind).toBe('refused')
  expect(outcomeOfFailure(new TypeError('fetch failed', { cause: { code: 'ECONNRESET' } })).kind).toBe('unknown')
})

test('chance is the same again from the same seed', () => {
  const some = (seed: number) => {
    const chance = new Chance(seed).fork()
    return Array.from({ length: 20 }, () => chance.between(1, 6))
  }
  expect(some(7)).toEqual(some(7))
  expect(some(7)).not.toEqual(some(8))
  expect(new Set(some(7)).size).toBeGreaterThan(3)
})
