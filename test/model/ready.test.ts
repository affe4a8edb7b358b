import { describe, expect, test } from 'vitest'
import type { Command, Facts } from '../../src/model/commands.ts'
import { definitionOf, FORCED, NONE_UP, resolved, up, World } from './support.ts'

/** `shop`: blue has all traffic; two servers per pool. */
function shop(facts: Facts, rest = {}): World {
  const world = new World({ shop: definitionOf({ blue: 2, green: 2 }, rest) })
  world.facts = facts
  return world
}

const toGreen: Command = { kind: 'switch', service: 'shop', to: 'green' }
const disable = (server: string): Command => ({ kind: 'server', server, state: 'drain' })

/** Returns the reason of a refusal; null = not refused. */
function refusal(world: World, command: Command): string | null {
  const outcome = world.run(command)
  if (outcome.kind !== 'refused') return null
  return outcome.refusal.kind === 'unsafe' ? outcome.refusal.detail : outcome.refusal.kind
}

describe('T8: minReady', () => {
  test('a pool gets no traffic without enough servers up; the refusal has the numbers', () => {
    expect(refusal(shop(up('blue1', 'blue2')), toGreen)).toBe(
      'Pool green would serve 100 % of shop with 0 of its 2 servers up, fewer than minReady (1): ' +
        'green1 is down (status 503), green2 is down (status 503).',
    )
    expect(refusal(shop(up('blue1', 'green1')), toGreen)).toBe(null)
    expect(refusal(shop(up('blue1', 'green1'), { minReady: 2 }), toGreen)).toContain('with 1 of its 2 servers up')
  })

  test('the refusal says why each server takes no requests, for at most five servers', () => {
    const world = new World({ shop: definitionOf({ blue: 1, green: 9 }) })
    world.facts = up('blue1', 'green9')
    world.must(disable('green1'))
    world.must({ kind: 'server', server: 'green2', state: 'maint' })
    world.must({ kind: 'server', server: 'green9', weight: 0 })
    expect(refusal(world, toGreen)).toMatch(
      /: green1 is in drain, green2 is in maint, green3 is down \(status 503\), green4 .*, green5 .*, and 4 more\.$/,
    )
    const small = shop(up('blue1', 'green2'))
    small.must({ kind: 'server', server: 'green2', weight: 0 })
    expect(refusal(small, toGreen)).toMatch(/: green1 is down \(status 503\), green2 has weight 0\.$/)
  })

  test('a pool without enough servers up gets neither all traffic, nor a part, nor more than it has', () => {
    const shift = (percent: number): Command => ({ kind: 'shift', service: 'shop', to: 'green', percent })
    const world = shop(up('blue1', 'green1'))
    expect(refusal(world, shift(5))).toBe(null)
    world.facts = up('blue1')
    expect(refusal(world, shift(6))).toContain('Pool green would serve 6 % of shop')
    // Less traffic for a pool that cannot serve it is allowed.
    expect(refusal(world, shift(1))).toBe(null)
  })

  test('a rollback to a pool that is down is refused too', () => {
    const world = shop(up('blue1', 'green1'))
    world.must(toGreen)
    world.facts = up('green1')
    expect(refusal(world, { kind: 'rollback', service: 'shop' })).toContain('Pool blue would serve 100 %')
  })

  test('the last ready server of a pool with traffic is not taken out, by state or by weight', () => {
    const world = shop(up('blue1', 'blue2'))
    world.must(disable('blue1'))
    expect(refusal(world, disable('blue2'))).toContain('with 0 of its 2 servers up, fewer than minReady (1)')
    expect(refusal(world, { kind: 'server', server: 'blue2', state: 'maint' })).toContain('fewer than minReady')
    expect(refusal(world, { kind: 'server', server: 'blue2', weight: 0 })).toContain('fewer than minReady')
    expect(refusal(world, { kind: 'server', server: 'blue2', weight: 3 })).toBe(null)
  })

  test('a server that is down, or in a pool without traffic, may be taken out', () => {
    expect(refusal(shop(up('blue2')), disable('blue1'))).toBe(null)
    expect(refusal(shop(up('blue1', 'green1')), disable('green1'))).toBe(null)
  })

  test('a pool that is short of servers already may change as long as it loses none', () => {
    const world = shop(up('blue1'), { minReady: 2 })
    expect(refusal(world, disable('blue2'))).toBe(null)
    expect(refusal(world, { kind: 'server', server: 'blue2', state: 'ready' })).toBe(null)
    expect(refusal(world, disable('blue1'))).toContain('with 0 of its 2')
  })

  test('every pool with traffic is checked', () => {
    const world = new World({ shop: definitionOf({ a: 1, b: 1, c: 1 }, { split: { a: 50, b: 50 } }) })
    world.facts = up('a1')
    const split = { a: 40, b: 50, c: 10 }
    expect(refusal(world, { kind: 'split', service: 'shop', split })).toContain('Pool c would serve 10 %')
  })

  test('0 allows a pool without servers', () => {
    const world = shop(NONE_UP, { minReady: 0 })
    expect(refusal(world, toGreen)).toBe(null)
    expect(refusal(world, disable('green1'))).toBe(null)
  })

  test('without health checks every open server counts', () => {
    const world = shop(NONE_UP, { health: 'off' })
    expect(refusal(world, toGreen)).toBe(null)
    world.must(disable('green1'))
    expect(refusal(world, disable('green2'))).toContain('with 0 of its 2')
  })

  test('a definition may neither remove the last ready server nor move it to an unchecked address', () => {
    const world = shop(up('blue1', 'blue2'))
    const blue = (servers: Record<string, string>) => {
      const source = { pools: { blue: { servers }, green: { servers: {} } }, split: { blue: 100 } }
      return { kind: 'define', service: 'shop', definition: resolved(source), action: 'replace' } as const
    }
    expect(refusal(world, blue({}))).toContain('with 0 of its 0 servers up')
    expect(refusal(world, blue({ blue1: 'http://10.9.9.9:1' }))).toBe(null)
    world.facts = { ...world.facts, isUp: (key) => key.endsWith('=http://10.9.9.9:1') }
    expect(refusal(world, blue({ blue1: 'http://10.9.9.9:2' }))).toContain('with 0 of its 1 servers up')
  })

  test('a new service may be defined before its servers are up', () => {
    const world = new World()
    world.facts = NONE_UP
    const definition = definitionOf({ blue: 1 })
    expect(refusal(world, { kind: 'define', service: 'shop', definition, action: 'create' })).toBe(null)
  })

  test('a pool with traffic cannot be removed', () => {
    const world = shop(up('blue1', 'green1'))
    world.must({ kind: 'shift', service: 'shop', to: 'green', percent: 5 })
    const definition = definitionOf({ blue: 2 })
    expect(refusal(world, { kind: 'define', service: 'shop', definition, action: 'replace' })).toBe(
      'Pool green has 5 % of the traffic of shop; switch or shift it away first.',
    )
    const configuration = { hash: 'x', services: {} }
    expect(refusal(world, { kind: 'configure', configuration, services: { shop: definition } })).toContain('Pool green')
  })

  test('force overrides the refusal, and the history records it', () => {
    const world = shop(NONE_UP)
    expect(world.must(toGreen, FORCED).history).toMatchObject([{ action: 'switch', forced: true }])
    expect(world.must(disable('green1'), FORCED).history).toMatchObject([{ action: 'drain', forced: true }])
  })

  test('force does not override invalid input', () => {
    const world = shop(NONE_UP)
    for (const command of [
      { kind: 'switch', service: 'shop', to: 'gren' },
      { kind: 'split', service: 'shop', split: { blue: 99 } },
      { kind: 'rollback', service: 'shop' },
    ] as const) {
      expect(world.run(command, FORCED)).toMatchObject({ kind: 'refused' })
    }
  })
})

describe('backups', () => {
  /** `shop` with this many servers in its pool, and a backup `spare`. */
  function withBackup(count: number, facts: Facts, rest = {}): World {
    const servers = Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`blue${i + 1}`, `http://10.0.0.${i}:1`]),
    )
    const spare = { url: 'http://10.0.1.1:1', backup: true }
    const world = new World({ shop: resolved({ pools: { blue: { servers: { ...servers, spare } } }, ...rest }) })
    world.facts = facts
    return world
  }

  test('count while no other server is up: the last one may be taken out', () => {
    expect(refusal(withBackup(1, up('blue1', 'spare')), disable('blue1'))).toBe(null)
    expect(refusal(withBackup(1, up('blue1')), disable('blue1'))).toBe(
      'Pool blue would serve 100 % of shop with 0 of its 2 servers up, fewer than minReady (1): ' +
        'blue1 is in drain, spare is down (status 503).',
    )
  })

  test('do not count beside another server', () => {
    const world = withBackup(2, up('blue1', 'blue2', 'spare'), { minReady: 2 })
    expect(refusal(world, disable('blue1'))).toBe(
      'Pool blue would serve 100 % of shop with 1 of its 3 servers up, fewer than minReady (2): ' +
        'blue1 is in drain, spare is a backup.',
    )
    expect(refusal(world, disable('spare'))).toBe(null)
  })
})
