import { expect, test } from 'vitest'
import type { Request } from '../../src/model/commands.ts'
import { applyChange } from '../../src/model/state.ts'
import { definitionOf, NOW_MS, PLAIN, World } from './support.ts'

const DAY_MS = 24 * 3_600_000
const toggle = { kind: 'switch', service: 'shop' } as const
const keyed = (key: string, fingerprint = 'same'): Request => ({ ...PLAIN, idempotency: { key, fingerprint } })
const world = () => new World({ shop: definitionOf({ blue: 1, green: 1 }) })

test('a repeated request under the same key is carried out once, and answered as repeated', () => {
  const one = world()
  expect(one.run(toggle, keyed('k')).kind).toBe('change')
  const { revision } = one.state
  expect(one.run(toggle, keyed('k'))).toEqual({ kind: 'repeated', revision })
  expect(one.run(toggle, keyed('other')).kind).toBe('change')
  expect(one.run(toggle, keyed('k'))).toEqual({ kind: 'repeated', revision })
})

test('a different request under the same key is refused', () => {
  const one = world()
  one.run(toggle, keyed('k'))
  const outcome = one.run({ ...toggle, to: 'green' }, keyed('k', 'else'))
  expect(outcome).toMatchObject({
    kind: 'refused',
    refusal: { kind: 'invalid', problems: [{ path: 'Idempotency-Key' }] },
  })
})

test('a key is forgotten after a day, and removed with the next keyed write', () => {
  const one = world()
  one.run(toggle, keyed('old'))
  one.facts = { ...one.facts, nowMs: NOW_MS + DAY_MS + 1 }
  const outcome = one.run(toggle, keyed('old'))
  expect(outcome.kind).toBe('change')
  one.facts = { ...one.facts, nowMs: NOW_MS + 3 * DAY_MS }
  const next = one.run(toggle, keyed('new'))
  if (next.kind !== 'change') throw new Error(next.kind)
  expect(next.change.keyed).toMatchObject({ old: null, new: { fingerprint: 'same' } })
  expect(Object.keys(one.state.keyed ?? {})).toEqual(['new'])
})

test('a change without a key leaves kept keys as they are', () => {
  const one = world()
  one.run(toggle, keyed('k'))
  const before = one.state.keyed
  const outcome = one.run(toggle)
  if (outcome.kind !== 'change') throw new Error(outcome.kind)
  expect(outcome.change.keyed).toBeUndefined()
  expect(applyChange(one.state, outcome.change).keyed).toEqual(before)
})

test('at most 5,000 keys are kept: the next write removes the oldest', () => {
  const one = world()
  const keys = Array.from({ length: 5_000 }, (_, i) => `key-${i}`)
  const written = (i: number) => ({ revision: 1, fingerprint: 'same', atMs: NOW_MS - 10_000 + i })
  one.state = { ...one.state, keyed: Object.fromEntries(keys.map((key, i) => [key, written(i)])) }
  one.run(toggle, keyed('newest'))
  const kept = Object.keys(one.state.keyed ?? {})
  expect(kept).toHaveLength(5_000)
  expect([kept.includes('key-0'), kept.includes('key-1'), kept.includes('newest')]).toEqual([false, true, true])
})
