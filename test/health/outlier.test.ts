import { beforeEach, describe, expect, test } from 'vitest'
import { Outliers } from '../../src/health/outlier.ts'
import type { PassiveSpec } from '../../src/model/spec.ts'

const SPEC: PassiveSpec = { maxFails: 3, failTimeoutMs: 30_000, maxEjected: 50 }

let outliers: Outliers
let servers: string[]
let spec: PassiveSpec

/** Watches a pool with these servers by this spec from `nowMs` on. */
function watch(count: number, nowMs = 0, changes: Partial<PassiveSpec> = {}): readonly string[] {
  servers = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'].slice(0, count)
  spec = { ...spec, ...changes }
  return outliers.watch([{ name: 'pool', spec, keys: servers }], nowMs)
}

function fail(key: string, times: number, nowMs: number, proxy = 'w1'): readonly string[] {
  return outliers.failed(proxy, [[key, times, false]], nowMs)
}

const ejected = (): string => servers.filter((key) => outliers.isEjected(key)).join('')

beforeEach(() => {
  outliers = new Outliers()
  outliers.attach('w1')
  outliers.attach('w2')
  spec = SPEC
})

describe('ejection', () => {
  test('takes maxFails failures, reported by any proxy', () => {
    watch(2)
    expect(fail('a', 1, 0, 'w1')).toEqual([])
    expect(fail('a', 1, 10, 'w2')).toEqual([])
    expect(outliers.nextAt()).toBeNull()
    expect(fail('a', 1, 20, 'w1')).toEqual(['a'])
    expect([outliers.ejectionState('a', 'w1'), outliers.ejectionState('b', 'w1')]).toEqual(['ejected', 'in'])
    expect(outliers.nextAt()).toBe(30_020)
  })

  test('takes one report of maxFails failures', () => {
    watch(2)
    expect(fail('a', 100, 0)).toEqual(['a'])
  })

  test('forgets failures older than failTimeout', () => {
    watch(2)
    fail('a', 2, 0)
    fail('a', 1, 30_000)
    expect(ejected()).toBe('')
    fail('a', 1, 59_999)
    expect(ejected()).toBe('')
    fail('a', 1, 59_999)
    expect(ejected()).toBe('a')
  })

  test('takes consecutive failures: a served request resets the count for every proxy', () => {
    watch(3)
    fail('a', 2, 0, 'w1')
    fail('b', 2, 0, 'w1')
    outliers.recovered(['a', 'z'])
    expect(fail('a', 2, 10, 'w2')).toEqual([])
    expect(fail('b', 1, 10, 'w2')).toEqual(['b'])
    outliers.recovered(['b'])
    expect(ejected()).toBe('b')
  })

  test('is off with maxFails 0', () => {
    watch(2, 0, { maxFails: 0 })
    expect(fail('a', 1000, 0)).toEqual([])
    expect(outliers.nextAt()).toBeNull()
  })

  test('ignores keys that are not watched', () => {
    watch(2)
    expect(fail('z', 3, 0)).toEqual([])
    expect(outliers.tried('z', 'ok', 0)).toEqual([])
    expect(outliers.ejectionState('z', 'w1')).toBe('in')
  })
})

describe('trial', () => {
  beforeEach(() => {
    watch(4)
    fail('a', 3, 0, 'w2')
  })

  test('is due after failTimeout, and goes only to the proxy that reported the failures', () => {
    expect(outliers.advance(29_999)).toEqual([])
    expect(outliers.ejectionState('a', 'w2')).toBe('ejected')
    expect(outliers.advance(30_000)).toEqual(['a'])
    expect([outliers.ejectionState('a', 'w1'), outliers.ejectionState('a', 'w2')]).toEqual(['ejected', 'trial'])
    expect(outliers.isEjected('a')).toBe(true)
  })

  test('brings the server back with no failures counted', () => {
    outliers.advance(30_000)
    expect(outliers.tried('a', 'ok', 30_100)).toEqual(['a'])
    expect(outliers.ejectionState('a', 'w2')).toBe('in')
    expect(outliers.nextAt()).toBeNull()
    fail('a', 2, 30_200)
    expect(ejected()).toBe('')
  })

  test('ejects for failTimeout again each time it fails', () => {
    for (const at of [30_000, 60_100, 90_200]) {
      expect(outliers.advance(at)).toEqual(['a'])
      expect(outliers.ejectionState('a', 'w2')).toBe('trial')
      expect(outliers.tried('a', 'failed', at + 100)).toEqual(['a'])
      expect(outliers.ejectionState('a', 'w2')).toBe('ejected')
      expect(outliers.nextAt()).toBe(at + 30_100)
    }
  })

  test('has one outcome', () => {
    expect(outliers.tried('a', 'ok', 1000)).toEqual([])
    outliers.advance(30_000)
    outliers.tried('a', 'failed', 30_100)
    expect(outliers.tried('a', 'ok', 30_200)).toEqual([])
    expect(ejected()).toBe('a')
  })

  test('is not decided by requests that were in flight at the ejection', () => {
    expect(fail('a', 9, 100)).toEqual([])
    outliers.advance(30_000)
    expect(fail('a', 9, 30_100)).toEqual([])
    expect(outliers.ejectionState('a', 'w2')).toBe('trial')
    outliers.tried('a', 'ok', 30_200)
    expect(ejected()).toBe('')
  })

  test('goes to the next proxy if it has no outcome in time', () => {
    outliers.advance(30_000)
    expect(outliers.nextAt()).toBe(60_000)
    expect(outliers.advance(60_000)).toEqual(['a'])
    expect([outliers.ejectionState('a', 'w1'), outliers.ejectionState('a', 'w2')]).toEqual(['trial', 'ejected'])
    expect(outliers.advance(90_000)).toEqual(['a'])
    expect(outliers.ejectionState('a', 'w2')).toBe('trial')
  })

  test('goes to another proxy when the one that has it is gone', () => {
    outliers.advance(30_000)
    expect(outliers.detach('w1')).toEqual([])
    outliers.attach('w1')
    expect(outliers.detach('w2')).toEqual(['a'])
    outliers.attach('w2')
    expect([outliers.ejectionState('a', 'w1'), outliers.ejectionState('a', 'w2')]).toEqual(['trial', 'ejected'])
  })

  test('goes to another proxy if the one that reported the failures is gone', () => {
    expect(outliers.detach('w2')).toEqual([])
    outliers.advance(30_000)
    expect(outliers.ejectionState('a', 'w1')).toBe('trial')
  })
})

describe('maxEjected', () => {
  test.each([
    [1, 50, 0],
    [2, 50, 1],
    [3, 50, 1],
    [4, 50, 2],
    [5, 10, 0],
    [10, 10, 1],
    [10, 70, 7],
    [3, 33.33, 0],
    [3, 33.34, 1],
    [1, 100, 0],
    [3, 100, 2],
    [3, 0, 0],
    [0, 50, 0],
  ])('of %i servers at %d %%: %i', (count, maxEjected, most) => {
    watch(count, 0, { maxEjected })
    outliers.failed(
      'w1',
      servers.map((key) => [key, 3, false]),
      0,
    )
    expect(ejected()).toHaveLength(most)
  })

  test('includes servers on trial', () => {
    watch(2)
    fail('a', 3, 0)
    outliers.advance(30_000)
    expect(fail('b', 3, 30_000)).toEqual([])
    expect(ejected()).toBe('a')
  })

  test('is no limit to servers that all fail while backups are up', () => {
    outliers.watch([{ name: 'pool', spec, keys: ['a', 'b', 'c'], hasBackup: true }], 0)
    servers = ['a', 'b', 'c']
    fail('a', 3, 0)
    expect(fail('b', 3, 10)).toEqual([])
    expect(ejected()).toBe('a')
    expect([...fail('c', 3, 20)].sort()).toEqual(['b', 'c'])
    outliers.watch([{ name: 'pool', spec, keys: ['a', 'b', 'c'], hasBackup: true }], 5_000)
    expect(ejected()).toBe('abc')
    // One that works again is enough: the limit applies to the others.
    outliers.advance(30_000)
    expect(outliers.tried('a', 'ok', 30_010)).toContain('a')
    expect(ejected()).toHaveLength(1)
  })

  test('without the backups applies again', () => {
    outliers.watch([{ name: 'pool', spec, keys: ['a', 'b'], hasBackup: true }], 0)
    servers = ['a', 'b']
    fail('a', 3, 0)
    fail('b', 3, 10)
    expect(ejected()).toBe('ab')
    expect(watch(2, 5_000)).toEqual(['a'])
    expect(ejected()).toBe('b')
  })

  test('0 ejects no server, with backups or without', () => {
    const never = { ...spec, maxEjected: 0 }
    outliers.watch([{ name: 'pool', spec: never, keys: ['a'], hasBackup: true }], 0)
    servers = ['a']
    expect(fail('a', 3, 0)).toEqual([])
  })

  test('lets the next control process take over all ejections of a pool with backups', () => {
    const pool = { name: 'pool', spec, keys: ['a', 'b'] }
    outliers.watch([pool], 0)
    expect(outliers.adopt(['a', 'b'], 'w1', 0)).toEqual(['a'])
    outliers.watch([{ ...pool, name: 'other', keys: ['c', 'd'], hasBackup: true }], 0)
    expect(outliers.adopt(['c', 'd'], 'w1', 0)).toEqual(['c', 'd'])
  })

  test('applies to each pool separately', () => {
    outliers.watch(
      [
        { name: 'one', spec, keys: ['a', 'b'] },
        { name: 'two', spec: { ...spec, maxFails: 1 }, keys: ['c', 'd'] },
      ],
      0,
    )
    servers = ['a', 'b', 'c', 'd']
    fail('a', 3, 0)
    fail('c', 1, 0)
    expect(ejected()).toBe('ac')
  })

  test('a server that failed while the limit was reached is ejected later, if its failures still count', () => {
    watch(2)
    fail('a', 3, 0)
    fail('b', 3, 10_000)
    outliers.advance(30_000)
    expect(outliers.tried('a', 'ok', 39_999)).toEqual(['a', 'b'])
    expect(ejected()).toBe('b')

    fail('a', 3, 40_000)
    outliers.advance(69_999)
    expect(outliers.tried('b', 'ok', 70_000)).toEqual(['b'])
    expect(ejected()).toBe('')
  })

  test('when another server is drained or goes down, the server that was ejected first is un-ejected', () => {
    watch(4)
    fail('b', 3, 0)
    fail('a', 3, 10)
    expect(ejected()).toBe('ab')
    expect(watch(3, 20)).toEqual(['b'])
    expect(ejected()).toBe('a')
    fail('b', 2, 30)
    watch(4, 40)
    expect(ejected()).toBe('a')
    fail('b', 1, 50)
    expect(ejected()).toBe('ab')
  })

  test('a failed trial is a new ejection: other servers are un-ejected first', () => {
    watch(4)
    fail('a', 3, 0)
    fail('b', 3, 10)
    outliers.advance(30_000)
    outliers.tried('a', 'failed', 30_005)
    outliers.advance(30_010)
    expect(watch(3, 30_020)).toEqual(['b'])
  })
})

describe('a new table', () => {
  test('changes nothing for servers that stay', () => {
    watch(4)
    fail('a', 3, 0)
    fail('b', 2, 0)
    expect(watch(4, 10)).toEqual([])
    expect(watch(6, 20)).toEqual([])
    expect(ejected()).toBe('a')
    expect(outliers.nextAt()).toBe(30_000)
    fail('b', 1, 30)
    expect(ejected()).toBe('ab')
    outliers.advance(30_000)
    expect(watch(5, 30_010)).toEqual([])
    expect(outliers.ejectionState('a', 'w1')).toBe('trial')
  })

  test('forgets servers that are removed, drained, down or without traffic', () => {
    watch(4)
    fail('d', 3, 0)
    fail('c', 2, 0)
    expect(watch(2, 10)).toEqual(['d'])
    expect(outliers.nextAt()).toBeNull()
    expect(watch(4, 20)).toEqual([])
    expect(ejected()).toBe('')
    fail('c', 1, 30)
    expect(ejected()).toBe('')
  })

  test('with another spec applies it at once', () => {
    watch(4)
    fail('a', 3, 0)
    fail('b', 2, 0)
    expect(watch(4, 10, { failTimeoutMs: 60_000 })).toEqual([])
    expect(outliers.nextAt()).toBe(60_000)
    expect(watch(4, 20, { maxFails: 2 })).toEqual(['b'])
    expect(watch(4, 30, { maxEjected: 25 })).toEqual(['a'])
    expect(watch(4, 40, { failTimeoutMs: 20 })).toEqual(['b'])
    expect(outliers.ejectionState('b', 'w1')).toBe('trial')
    expect(watch(4, 50, { maxFails: 0 })).toEqual(['b'])
    expect(ejected()).toBe('')
  })

  test('with a shorter failTimeout does not count older failures', () => {
    watch(2)
    fail('a', 2, 0)
    watch(2, 10, { failTimeoutMs: 5 })
    fail('a', 1, 10)
    expect(ejected()).toBe('')
  })
})

describe('a check that passes', () => {
  const passed = (key: string, beganMs: number, nowMs: number) => outliers.passed(key, beganMs, nowMs)
  const lose = (key: string, nowMs: number) => outliers.failed('w1', [[key, 3, true]], nowMs)

  test('ends an ejection caused by connection failures, with no failures counted', () => {
    watch(2)
    lose('a', 0)
    expect(passed('a', 500, 501)).toEqual(['a'])
    expect(ejected()).toBe('')
    expect(outliers.nextAt()).toBeNull()
    outliers.failed('w1', [['a', 2, true]], 600)
    expect(ejected()).toBe('')
  })

  test('does not end an ejection caused by responses', () => {
    watch(2)
    fail('a', 3, 0)
    expect(passed('a', 500, 501)).toEqual([])
    expect(ejected()).toBe('a')
  })

  test('is ignored if it began before the ejection', () => {
    watch(2)
    lose('a', 100)
    expect(passed('a', 99, 110)).toEqual([])
    expect(ejected()).toBe('a')
  })

  test('depends on the last ejection: after a trial with a bad response it is ignored', () => {
    watch(2)
    lose('a', 0)
    outliers.advance(30_000)
    outliers.tried('a', 'failed', 30_010)
    expect(passed('a', 31_000, 31_001)).toEqual([])
    outliers.advance(60_010)
    outliers.tried('a', 'unreachable', 60_020)
    expect(passed('a', 61_000, 61_001)).toEqual(['a'])
  })

  test('is ignored for servers that are not ejected or not watched', () => {
    watch(2)
    expect([passed('a', 0, 1), passed('z', 0, 1)]).toEqual([[], []])
  })
})

describe('the remaining servers of a pool', () => {
  const lose = (key: string, nowMs: number) => outliers.failed('w1', [[key, 3, true]], nowMs)

  test('become unreachable: they are ejected in exchange for the ejected ones', () => {
    watch(2)
    fail('a', 3, 0)
    expect(lose('b', 2_000).sort()).toEqual(['a', 'b'])
    expect(ejected()).toBe('b')
    expect(lose('a', 4_000).sort()).toEqual(['a', 'b'])
    expect(ejected()).toBe('a')
  })

  test('must all be unreachable for the exchange', () => {
    watch(3)
    fail('a', 3, 0)
    lose('b', 2_000)
    expect(ejected()).toBe('a')
    lose('c', 2_010)
    expect(ejected()).toBe('b')
  })

  test('with bad responses are not exchanged', () => {
    watch(2)
    fail('a', 3, 0)
    expect(fail('b', 3, 2_000)).toEqual([])
    expect(ejected()).toBe('a')
  })

  test('are not exchanged for a server that was ejected just before', () => {
    watch(2)
    lose('a', 0)
    expect(lose('b', 20)).toEqual([])
    expect(ejected()).toBe('a')
    lose('b', 1_000)
    expect(ejected()).toBe('b')
  })
})

describe('a server with a new key', () => {
  const moved = new Map([['c', 'a']])

  test('stays ejected for the remaining time', () => {
    watch(2)
    fail('a', 3, 0)
    const changed = outliers.watch(
      [
        { name: 'pool', spec, keys: [] },
        { name: 'renamed', spec, keys: ['c', 'b2'] },
      ],
      10_000,
      moved,
    )
    expect(changed.sort()).toEqual(['a', 'c'])
    expect([outliers.isEjected('a'), outliers.isEjected('c')]).toEqual([false, true])
    expect(outliers.nextAt()).toBe(30_000)
  })

  test('keeps its failures', () => {
    watch(2)
    fail('a', 2, 0)
    outliers.watch([{ name: 'pool', spec, keys: ['c', 'b'] }], 10, moved)
    expect(fail('c', 1, 20)).toEqual(['c'])
  })
})

test('pools that are not passed stay as they are', () => {
  watch(2)
  fail('a', 3, 0)
  outliers.watch([{ name: 'other', spec, keys: ['x', 'y'] }], 10)
  expect(ejected()).toBe('a')
  expect(outliers.nextAt()).toBe(30_000)
})
