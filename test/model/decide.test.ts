import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../src/model/commands.ts'
import { decide } from '../../src/model/decide.ts'
import { shareOf, WHOLE } from '../../src/model/split.ts'
import { ALL_UP, definitionOf, FORCED, PLAIN, percents, World } from './support.ts'

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) frozen(inner)
  }
  return value
}

const pools = fc.constantFrom('a', 'b', 'c', 'nowhere')
const commands: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ kind: fc.constant('switch' as const), service: fc.constant('shop'), to: pools }),
  fc.record({ kind: fc.constant('shift' as const), service: fc.constant('shop'), to: pools, percent: percents }),
  fc.record({ kind: fc.constant('rollback' as const), service: fc.constant('shop') }),
  fc.record({ kind: fc.constant('rollback' as const), service: fc.constant('shop'), revision: fc.nat({ max: 60 }) }),
  fc.record({
    kind: fc.constant('server' as const),
    server: fc.constantFrom('a1', 'b1', 'c1', 'nobody'),
    state: fc.constantFrom('ready', 'drain', 'maint'),
  }),
  fc.record({
    kind: fc.constant('server' as const),
    server: fc.constantFrom('a1', 'b2', 'c1'),
    weight: fc.option(fc.integer({ min: 0, max: 5 })),
  }),
  fc
    .subarray(['a', 'b', 'c'], { minLength: 1 })
    .map((names) => definitionOf(Object.fromEntries(names.map((name) => [name, 2]))))
    .map((definition) => ({ kind: 'define' as const, service: 'shop', definition, action: 'replace' })),
)

test('any sequence of commands leaves the state consistent', () => {
  const runs = fc.array(fc.tuple(commands, fc.boolean(), fc.boolean()), { maxLength: 80 })
  fc.assert(
    fc.property(runs, (steps) => {
      const world = new World({ shop: definitionOf({ a: 2, b: 2, c: 2 }) })
      for (const [command, isForced, isUp] of steps) {
        world.facts = { ...world.facts, describeHealth: () => 'down', isUp: () => isUp }
        const before = frozen(world.state)
        const outcome = world.run(command, isForced ? FORCED : PLAIN)
        const service = world.service()
        const names = Object.keys(service.spec.pools)
        if (outcome.kind !== 'change') {
          expect(world.state).toBe(before)
          continue
        }
        const { revision, history } = outcome.change
        expect(revision).toBe(before.revision + 1)
        expect(service.revision).toBe(revision)
        expect(history).toMatchObject([{ revision, service: 'shop', forced: isForced }])
        expect(history[0]?.from).not.toEqual(history[0]?.to)
        const shares = Object.keys(world.split()).map((pool) => shareOf(world.split(), pool))
        expect(shares.every((share) => share > 0)).toBe(true)
        expect(shares.reduce((a, b) => a + b, 0)).toBe(WHOLE)
        expect(Object.keys(world.split()).every((pool) => names.includes(pool))).toBe(true)
        const stamps = service.decisions.map((decision) => decision.revision)
        expect(stamps.every((stamp, i) => stamp <= revision && stamp > (stamps[i - 1] ?? 0))).toBe(true)
      }
    }),
  )
})

test('the same state, command and facts give the same outcome', () => {
  fc.assert(
    fc.property(commands, (command) => {
      const { state } = new World({ shop: definitionOf({ a: 2, b: 2, c: 2 }) })
      expect(decide(state, command, PLAIN, ALL_UP)).toEqual(decide(structuredClone(state), command, PLAIN, ALL_UP))
    }),
  )
})

test('the last 50 decisions are kept, with the revisions that made them', () => {
  const world = new World({ shop: definitionOf({ blue: 1, green: 1 }) })
  for (let i = 0; i < 120; i++) world.must({ kind: 'switch', service: 'shop' })
  const { decisions } = world.service()
  expect(decisions.map(({ revision }) => revision)).toEqual(Array.from({ length: 50 }, (_, i) => 72 + i))
  expect(decisions.at(-1)).toEqual({ revision: 121, split: { blue: 100 } })
  expect(world.run({ kind: 'rollback', service: 'shop', revision: 71 })).toMatchObject({
    refusal: { kind: 'conflict' },
  })
  world.must({ kind: 'rollback', service: 'shop', revision: 72 })
  expect(world.split()).toEqual({ green: 100 })
})

describe('If-Match', () => {
  /** Revision 3; `shop` was last changed by 2, `api` by 3. */
  function twoServices(): World {
    const world = new World({ shop: definitionOf({ blue: 2, green: 1 }) })
    world.must({ kind: 'switch', service: 'shop', to: 'green' })
    const definition = definitionOf({ red: 1, blue: 1 }, { paths: ['/api'] })
    world.must({ kind: 'define', service: 'api', definition, action: 'create' })
    return world
  }
  const withMatch = (ifMatch: number) => ({ ...PLAIN, ifMatch })
  const back: Command = { kind: 'switch', service: 'shop', to: 'blue' }
  const moved = (expected: number, actual: number) => ({
    kind: 'refused',
    refusal: { kind: 'moved', expected, actual },
  })

  test('accepts the revision of the service, and every later one that the caller may have seen', () => {
    for (const ifMatch of [2, 3]) expect(twoServices().run(back, withMatch(ifMatch)).kind).toBe('change')
  })

  test('refuses an older revision, and one that does not exist yet', () => {
    expect(twoServices().run(back, withMatch(1))).toEqual(moved(1, 2))
    expect(twoServices().run(back, withMatch(4))).toEqual(moved(4, 2))
  })

  test('a stale revision refuses even commands that change nothing, and forced ones', () => {
    const nothing: Command = { kind: 'switch', service: 'shop', to: 'green' }
    expect(twoServices().run(nothing)).toEqual({ kind: 'unchanged' })
    expect(twoServices().run(nothing, withMatch(1))).toEqual(moved(1, 2))
    expect(twoServices().run(back, { ...FORCED, ifMatch: 1 })).toEqual(moved(1, 2))
  })

  test('of a server command covers every service that the command selects', () => {
    const command: Command = { kind: 'server', server: 'blue1', weight: 2 }
    expect(twoServices().run(command, withMatch(2))).toEqual(moved(2, 3))
    expect(twoServices().run(command, withMatch(3)).kind).toBe('change')
    expect(twoServices().run({ ...command, service: 'shop' }, withMatch(2)).kind).toBe('change')
    expect(twoServices().run({ ...command, pool: 'blue' }, withMatch(2))).toEqual(moved(2, 3))
    expect(twoServices().run({ ...command, server: 'blue2' }, withMatch(2)).kind).toBe('change')
  })

  test('a replacement does not restore a service that was removed in the meantime', () => {
    const world = twoServices()
    const definition = definitionOf({ blue: 3 })
    const replace: Command = { kind: 'define', service: 'shop', definition, action: 'replace' }
    world.must({ kind: 'remove', service: 'shop' }, FORCED)
    expect(world.run(replace, withMatch(3))).toEqual(moved(3, 4))
    expect(world.run(replace, withMatch(4)).kind).toBe('change')
  })

  test('of a reload covers every service', () => {
    const configure: Command = { kind: 'configure', configuration: { hash: 'x', services: {} }, services: {} }
    expect(twoServices().run(configure, withMatch(2))).toEqual(moved(2, 3))
    expect(twoServices().run(configure, withMatch(3)).kind).toBe('change')
  })
})
