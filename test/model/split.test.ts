import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Split } from '../../src/model/spec.ts'
import { adaptSplit, percentProblem, sameSplit, shareOf, shiftTo, splitProblems, WHOLE } from '../../src/model/split.ts'
import { percents, poolNames, splitsOver } from './support.ts'

const sumOf = (split: Split) => Object.keys(split).reduce((sum, pool) => sum + shareOf(split, pool), 0)
const poolsAndSplit = poolNames.chain((pools) => fc.tuple(fc.constant(pools), splitsOver(pools)))

describe('shiftTo', () => {
  const shifts = poolsAndSplit.chain(([pools, split]) =>
    fc.record({
      pools: fc.constant(pools),
      split: fc.constant(split),
      to: fc.constantFrom(...pools),
      percent: percents,
    }),
  )

  test('gives exactly the requested share, and sums to 100', () => {
    fc.assert(
      fc.property(shifts, ({ pools, split, to, percent }) => {
        const after = shiftTo(split, pools, to, percent)
        if (after === null) return
        expect(shareOf(after, to)).toBe(Math.round(percent * 100))
        expect(sumOf(after)).toBe(WHOLE)
        expect(splitProblems(after, pools)).toEqual([])
      }),
    )
  })

  test('keeps the proportions of the others, to a hundredth of a percent', () => {
    fc.assert(
      fc.property(shifts, ({ pools, split, to, percent }) => {
        const others = pools.filter((pool) => pool !== to && shareOf(split, pool) > 0)
        const before = others.reduce((sum, pool) => sum + shareOf(split, pool), 0)
        const after = shiftTo(split, pools, to, percent)
        if (after === null || before === 0) return
        const rest = WHOLE - Math.round(percent * 100)
        for (const pool of others) {
          expect(Math.abs(shareOf(after, pool) - (rest * shareOf(split, pool)) / before)).toBeLessThan(1)
        }
        expect(Object.keys(after).every((pool) => pool === to || others.includes(pool))).toBe(true)
      }),
    )
  })

  test('returns null only if the pool for the rest is ambiguous', () => {
    fc.assert(
      fc.property(shifts, ({ pools, split, to, percent }) => {
        const others = pools.filter((pool) => pool !== to)
        const isClear = percent === 100 || others.length === 1 || others.some((pool) => shareOf(split, pool) > 0)
        expect(shiftTo(split, pools, to, percent) !== null).toBe(isClear)
      }),
    )
  })

  test('distributes remainders, the largest first', () => {
    expect(shiftTo({ a: 33.33, b: 33.33, c: 33.34 }, ['a', 'b', 'c', 'd'], 'd', 0.01)).toEqual({
      a: 33.33,
      b: 33.33,
      c: 33.33,
      d: 0.01,
    })
    expect(shiftTo({ a: 100 }, ['a', 'b', 'c'], 'a', 100)).toEqual({ a: 100 })
    expect(shiftTo({ blue: 100 }, ['blue', 'green'], 'green', 5)).toEqual({ blue: 95, green: 5 })
    expect(shiftTo({ blue: 100 }, ['blue', 'green'], 'blue', 40)).toEqual({ blue: 40, green: 60 })
  })
})

describe('adaptSplit', () => {
  test('scales the remaining pools to 100 in their proportions', () => {
    const left = poolsAndSplit.chain(([pools, split]) =>
      fc.tuple(fc.constant(pools), fc.constant(split), fc.subarray([...pools])),
    )
    fc.assert(
      fc.property(left, ([, split, rest]) => {
        const fallback = { fallback: 100 }
        const adapted = adaptSplit(split, rest, fallback)
        const kept = rest.filter((pool) => shareOf(split, pool) > 0)
        expect(adapted === fallback).toBe(kept.length === 0)
        if (kept.length === 0) return
        const sum = kept.reduce((total, pool) => total + shareOf(split, pool), 0)
        expect(sumOf(adapted)).toBe(WHOLE)
        for (const pool of kept) {
          expect(Math.abs(shareOf(adapted, pool) - (WHOLE * shareOf(split, pool)) / sum)).toBeLessThan(1)
        }
      }),
    )
  })

  test('changes nothing if every pool still exists', () => {
    fc.assert(
      fc.property(poolsAndSplit, ([pools, split]) => {
        expect(sameSplit(adaptSplit(split, pools, {}), split)).toBe(true)
      }),
    )
  })
})

describe('T9: invalid splits', () => {
  test.each([
    [{ blue: 0, green: 0 }, [['split', 'the shares add up to 0, not to 100']]],
    [{ blue: 60, green: 60 }, [['split', 'the shares add up to 120, not to 100']]],
    [{ blue: 33.33, green: 66.66 }, [['split', 'the shares add up to 99.99, not to 100']]],
    [
      { blue: -1, green: 101 },
      [
        ['split.blue', '-1'],
        ['split.green', '101'],
      ],
    ],
    [{ blue: Number.NaN, green: 100 }, [['split.blue', 'must be a number']]],
    [{ blue: Number.POSITIVE_INFINITY }, [['split.blue', 'must be a number']]],
    [{ blue: '100' }, [['split.blue', 'not "100"']]],
    [{ blue: null }, [['split.blue', 'not null']]],
    [
      { blue: 99.999, green: 0.001 },
      [
        ['split.blue', 'two decimals'],
        ['split.green', 'two decimals'],
      ],
    ],
    [{ blue: 50, gren: 50 }, [['split.gren', 'no such pool; there are blue, green']]],
    [{ constructor: 100 }, [['split.constructor', 'no such pool']]],
    [JSON.parse('{"__proto__": 100}'), [['split.__proto__', 'no such pool']]],
    [{}, [['split', 'add up to 0']]],
  ])('%j', (split: Record<string, unknown>, expected) => {
    const problems = splitProblems(split, ['blue', 'green'])
    expect(problems.map(({ path }) => path)).toEqual(expected.map(([path]) => path))
    for (const [i, [, message = '']] of expected.entries()) expect(problems[i]?.message).toContain(message)
  })

  test('every split that adds up to 100 is valid', () => {
    fc.assert(
      fc.property(poolsAndSplit, ([pools, split]) => {
        expect(splitProblems(split, pools)).toEqual([])
      }),
    )
  })

  test('two decimals are exact, however they were computed', () => {
    fc.assert(
      fc.property(percents, (percent) => {
        expect(percentProblem(percent)).toBe(null)
      }),
    )
    expect(percentProblem(0.1 + 0.2)).toBe(null)
    expect(splitProblems({ blue: 99.7, green: 0.1 + 0.2 }, ['blue', 'green'])).toEqual([])
  })
})
