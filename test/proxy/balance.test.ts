import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { candidates, type Member, type Policy } from '../../src/proxy/routing/balance/candidates.ts'
import { leastRequest } from '../../src/proxy/routing/balance/least-request.ts'
import { roundRobin } from '../../src/proxy/routing/balance/round-robin.ts'
import { hashed } from '../../src/proxy/routing/hash.ts'
import { Target } from '../../src/proxy/upstream/target.ts'

/** Members named a, b, … of these weights. */
function members(...weights: number[]): Member[] {
  return weights.map((weight, i) => {
    const name = String.fromCharCode(97 + i)
    const target = new Target(
      name,
      name,
      { address: { url: 'http://127.0.0.1:1' }, connectMs: 0, keepAliveMs: 1 },
      { onIdle: () => undefined },
    )
    return { target, weight, backup: false, seed: hashed(name), credit: 0 }
  })
}

function names(list: readonly Member[]): string {
  return list.map(({ target }) => target.name).join('')
}

/** How often each is picked. */
function picks(policy: Policy, list: readonly Member[], count: number): Record<string, number> {
  const counts: Record<string, number> = {}
  for (let i = 0; i < count; i++) {
    const { name } = policy.pick(list, null).target
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

/** Numbers from 0 to 1 that look random, the same ones every time. */
function pseudoRandom(): () => number {
  let state = 12345
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

describe('candidates', () => {
  test('are all members, when none was tried and none has refused', () => {
    const all = members(1, 1, 1)
    expect(candidates(all, null, 0)).toBe(all)
  })

  test('are not those that this request has tried', () => {
    const all = members(1, 1, 1)
    const targets = all.map(({ target }) => target)
    expect(names(candidates(all, targets.slice(0, 1), 0))).toBe('bc')
    expect(names(candidates(all, targets.slice(0, 2), 0))).toBe('c')
    expect(candidates(all, targets, 0)).toEqual([])
    expect(candidates([], null, 0)).toEqual([])
  })

  test('are not those that have just refused, as long as there are others', () => {
    const all = members(1, 1, 1)
    const [a, b, c] = all.map(({ target }) => target)
    a?.refused(1_000)
    expect(names(candidates(all, null, 1_500))).toBe('bc')
    b?.refused(1_200)
    expect(names(candidates(all, null, 1_500))).toBe('c')
    // One that has just refused is better than none.
    expect(names(candidates(all, c === undefined ? null : [c], 1_500))).toBe('ab')
    c?.refused(1_300)
    expect(names(candidates(all, null, 1_500))).toBe('abc')
    // It is forgotten after a while, one after the other.
    expect(names(candidates(all, null, 2_100))).toBe('a')
    expect(names(candidates(all, null, 2_250))).toBe('ab')
    expect(names(candidates(all, null, 2_300))).toBe('abc')
  })
})

describe('leastRequest', () => {
  test('a single member is picked', () => {
    const [only] = members(3)
    expect(only && leastRequest().pick([only], null)).toBe(only)
  })

  test('of two the one with fewer requests under way', () => {
    const two = members(1, 1)
    const [a, b] = two
    if (a === undefined || b === undefined) throw new Error('two')
    a.target.inFlight = 1
    expect(picks(leastRequest(), two, 200)).toEqual({ b: 200 })
    b.target.inFlight = 2
    expect(picks(leastRequest(), two, 200)).toEqual({ a: 200 })
  })

  test('fewer for its weight: 5 at weight 3 is less than 2 at weight 1', () => {
    const two = members(3, 1)
    const [a, b] = two
    if (a === undefined || b === undefined) throw new Error('two')
    a.target.inFlight = 5
    b.target.inFlight = 2
    expect(picks(leastRequest(), two, 200)).toEqual({ a: 200 })
    a.target.inFlight = 7
    expect(picks(leastRequest(), two, 200)).toEqual({ b: 200 })
  })

  test('the busiest of all is never picked, and the idlest more often than any', () => {
    const all = members(1, 1, 1, 1)
    all.forEach(({ target }, i) => {
      target.inFlight = i
    })
    const { a = 0, b = 0, c = 0, d = 0 } = picks(leastRequest(pseudoRandom()), all, 6_000)
    expect(d).toBe(0)
    // Of the six pairs, a is in three, b the best of two, c of one.
    expect([a, b, c].map((count) => Math.round(count / 100))).toEqual([30, 20, 10])
  })

  test('idle ones are picked evenly, and in proportion to what a draw of two by weight gives', () => {
    const even = Object.values(picks(leastRequest(pseudoRandom()), members(1, 1, 1, 1), 8_000))
    for (const count of even) expect(Math.abs(count - 2_000)).toBeLessThan(200)
    const weighted = picks(leastRequest(pseudoRandom()), members(8, 1, 1), 8_000)
    expect((weighted.a ?? 0) / 8_000).toBeCloseTo(0.8, 1)
  })

  test.each([0, 0.5, 1 - 2 ** -53])(
    'whatever is drawn, a member comes out, never the same one twice (%d)',
    (random) => {
      const policy = leastRequest(() => random)
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 20 }), (weights) => {
          const all = members(...weights)
          expect(all).toContain(policy.pick(all, null))
        }),
      )
    },
  )

  test('requests under way spread by themselves: nobody has more than two above the others', () => {
    const all = members(1, 1, 1, 1)
    const policy = leastRequest(pseudoRandom())
    for (let i = 0; i < 4_000; i++) policy.pick(all, null).target.inFlight++
    const counts = all.map(({ target }) => target.inFlight)
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThan(20)
  })
})

describe('roundRobin', () => {
  test('T10 11:3 is AAABAAAABAAABA', () => {
    const all = members(11, 3)
    const sequence = Array.from({ length: 14 }, () => names([roundRobin.pick(all, null)])).join('')
    expect(sequence.toUpperCase()).toBe('AAABAAAABAAABA')
  })

  test('T10 5/3/2: 1,000 requests are 500, 300 and 200; without the first, 600 and 400', () => {
    const all = members(5, 3, 2)
    expect(picks(roundRobin, all, 1_000)).toEqual({ a: 500, b: 300, c: 200 })
    expect(picks(roundRobin, all.slice(1), 1_000)).toEqual({ b: 600, c: 400 })
    expect(picks(roundRobin, all, 1_000)).toEqual({ a: 500, b: 300, c: 200 })
  })

  test('after any number of requests, everyone has its exact share, give or take less than one', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 }), (weights) => {
        const all = members(...weights)
        const sum = weights.reduce((a, b) => a + b)
        const counts = weights.map(() => 0)
        for (let n = 1; n <= 2 * sum; n++) {
          const at = all.indexOf(roundRobin.pick(all, null))
          counts[at] = (counts[at] ?? 0) + 1
          for (const [i, weight] of weights.entries()) {
            expect(Math.abs((counts[i] ?? 0) - (n * weight) / sum)).toBeLessThan(1)
          }
        }
      }),
    )
  })
})
