import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson, diffPatch, mergePatch } from '../../src/config/merge.ts'
import type { JsonObject, JsonValue } from '../../src/model/state.ts'

// RFC 7396, appendix A.
test.for<[JsonValue, JsonValue, JsonValue]>([
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
])('%j patched by %j is %j', ([target, patch, result]) => {
  expect(mergePatch(target, patch)).toEqual(result)
})

const leaf = fc.oneof(fc.integer(), fc.string(), fc.boolean())
const key = fc.oneof(fc.constantFrom('a', 'b', '__proto__', 'constructor'), fc.string({ maxLength: 3 }))
const { object } = fc.letrec<{ object: JsonObject; value: JsonValue }>((tie) => ({
  object: fc.array(fc.tuple(key, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
  value: fc.oneof({ depthSize: 'small' }, leaf, fc.array(leaf, { maxLength: 2 }), tie('object')),
}))

test('a patch found by comparing two values turns one into the other', () => {
  fc.assert(
    fc.property(object, object, (from, to) => {
      const before = JSON.stringify(from)
      const merged = mergePatch(from, diffPatch(from, to))
      expect(canonicalJson(merged)).toBe(canonicalJson(to))
      expect(JSON.stringify(from)).toBe(before)
      expect(diffPatch(to, merged)).toEqual({})
    }),
  )
})

test('a patch contains only what differs', () => {
  const from = { a: { x: 1, y: 2 }, b: [1], c: 1, d: { z: 1 } }
  expect(diffPatch(from, { a: { x: 1, y: 3 }, b: [1], d: 'text', e: {} })).toEqual({
    a: { y: 3 },
    c: null,
    d: 'text',
    e: {},
  })
})

test('a member named __proto__ is treated like any other', () => {
  const patch: JsonObject = JSON.parse(
    '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}',
  )
  const merged = mergePatch({}, patch)
  expect(JSON.stringify(merged)).toBe(JSON.stringify(patch))
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
})

test('equal values have the same text', () => {
  expect(canonicalJson({ b: [{ d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1}]}')
})
