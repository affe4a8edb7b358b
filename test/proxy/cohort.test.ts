import { describe, expect, test } from 'vitest'
import { Cohort } from '../../src/proxy/routing/cohort.ts'
import { hashed } from '../../src/proxy/routing/hash.ts'
import type { RoutedRequest } from '../../src/proxy/routing/routed-request.ts'
import { Counters } from '../../src/telemetry/counters.ts'

const IDS = Array.from({ length: 10_000 }, (_, i) => `client-${i}`)
const SHARES = { a: 60, b: 30, c: 10 }

/** The cohort of a split in percent. */
function cohort(split: Readonly<Record<string, number>>, versions: Readonly<Record<string, string>> = {}) {
  const pools = Object.entries(split)
    .filter(([, percent]) => percent > 0)
    .map(([name, percent]) => ({ name, version: versions[name] ?? '1', share: percent * 100 }))
  return new Cohort('shop', { from: 'ip' }, pools, new Counters())
}

/** The pool of each id. */
const assigned = (split: Readonly<Record<string, number>>, ids: readonly string[] = IDS): (string | undefined)[] => {
  const it = cohort(split)
  return ids.map((id) => it.pick(hashed(id))?.name)
}

const members = (pools: readonly (string | undefined)[], name: string): ReadonlySet<number> =>
  new Set(pools.flatMap((pool, i) => (pool === name ? [i] : [])))

describe('T12 the cohort of two pools', () => {
  test('grows with the share, and is the same again when the share is', () => {
    const at = (percent: number) => members(assigned({ blue: 100 - percent, green: percent }), 'green')
    const steps = [0.01, 1, 5, 10, 20, 25, 50, 75, 98, 99.99, 100].map(at)
    for (const [i, smaller] of steps.slice(0, -1).entries())
      expect(smaller.isSubsetOf(steps[i + 1] ?? new Set())).toBe(true)
    expect(at(10)).toEqual(steps[3])
    expect(at(0)).toEqual(new Set())
  })

  test.for([1, 5, 20, 50])('has %i %% of the clients', (percent) => {
    const share = percent / 100
    const deviation = Math.sqrt(IDS.length * share * (1 - share))
    const size = members(assigned({ blue: 100 - percent, green: percent }), 'green').size
    expect(Math.abs(size - IDS.length * share)).toBeLessThan(4 * deviation)
  })

  test('is the same on every machine and in every version: clients rely on it', () => {
    const ids = Array.from({ length: 64 }, (_, i) => `user-${i}`)
    expect(assigned({ b: 50, g: 50 }, ids).join('')).toBe(RECORDED)
  })
})

const RECORDED = 'bgbggbggbbbbggbbgbbbbggggbbbbbgbbgbbbbgggggbgbgbbbbbgbgbgggbggbg'

describe('three pools', () => {
  test('raising one share moves clients only into that pool, lowering it only out of it', () => {
    const before = assigned(SHARES)
    const after = assigned({ a: 48, b: 24, c: 28 })
    for (const [i, pool] of after.entries()) if (pool !== before[i]) expect(pool).toBe('c')
    expect(members(after, 'c').size).toBeGreaterThan(members(before, 'c').size)
    expect(assigned(SHARES)).toEqual(before)
  })

  test('a pool that goes gives its clients to the others by their shares, and the others keep theirs', () => {
    const before = assigned(SHARES)
    const after = assigned({ a: 66.67, b: 33.33 })
    const moved = before.flatMap((pool, i) => (pool === 'c' ? [after[i]] : []))
    const toB = moved.filter((pool) => pool === 'b').length / moved.length
    expect(toB).toBeGreaterThan(0.27)
    expect(toB).toBeLessThan(0.4)
    const kept = before.filter((pool, i) => pool !== 'c' && pool !== after[i])
    // The shares of a and b are rounded to hundredths.
    expect(kept.length).toBeLessThanOrEqual(2)
  })

  test('order begins with the pool of the client, and names every pool once', () => {
    const it = cohort(SHARES)
    for (const id of IDS.slice(0, 500)) {
      const order = it.order(hashed(id)).map(({ name }) => name)
      expect(order[0]).toBe(it.pick(hashed(id))?.name)
      expect(order.toSorted()).toEqual(['a', 'b', 'c'])
    }
  })
})

test('another version of a pool has other clients', () => {
  const one = cohort({ blue: 90, green: 10 })
  const two = cohort({ blue: 90, green: 10 }, { green: '2' })
  const inBoth = IDS.filter((id) => one.pick(hashed(id))?.name === 'green' && two.pick(hashed(id))?.name === 'green')
  // Of the 1,000 of each version, about a tenth is in the other, too.
  expect(inBoth.length).toBeLessThan(250)
  expect(inBoth.length).toBeGreaterThan(30)
})

test.for([
  ['numbers', (i: number) => String(i)],
  ['addresses', (i: number) => `10.0.${i >> 8}.${i & 255}`],
  ['long ids with a common begin', (i: number) => `${'user'.repeat(20)}${i}`],
  [
    'single changed characters',
    (i: number) => `${String.fromCharCode(33 + (i % 90))}${String.fromCharCode(33 + Math.floor(i / 90))}`,
  ],
] as const)('keys that are alike are distributed evenly: %s', ([, key]) => {
  const keys = Array.from({ length: 8_000 }, (_, i) => key(i))
  const counts = new Map<string | undefined, number>()
  const pools = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`p${i}`, 10]))
  for (const pool of assigned(pools, keys)) counts.set(pool, (counts.get(pool) ?? 0) + 1)
  const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 800) ** 2 / 800, 0)
  expect(counts.size).toBe(10)
  // 99.99 % quantile for 9 degrees of freedom.
  expect(chiSquare).toBeLessThan(33.7)
})

test('requests without a key have none; those with one are counted', () => {
  const counters = new Counters()
  const pools = [{ name: 'blue', version: '1', share: 10_000 }]
  const it = new Cohort('shop', { from: 'header', name: 'x-user' }, pools, counters)
  const request = (user: string | null) => ({ header: () => user }) as unknown as RoutedRequest
  expect(it.hashOf(request(null), true)).toBeNull()
  expect(it.hashOf(request(''), true)).toBeNull()
  expect(it.hashOf(request('ann'), true)).toEqual(hashed('ann'))
  expect(it.hashOf(request('ann'), false)).toEqual(hashed('ann'))
  expect(counters.report(true).tallies.map(({ label, count }) => [label, count])).toEqual([
    ['given', 1],
    ['absent', 2],
  ])
})
