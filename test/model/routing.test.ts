import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../src/model/commands.ts'
import { wholeTable } from '../../src/model/table.ts'
import { definitionOf, NOW_MS, percents, World } from './support.ts'

const shop = (pools: Record<string, number> = { blue: 1, green: 1 }) => new World({ shop: definitionOf(pools) })
const switchTo = (to?: string, drainMs?: number): Command => ({
  kind: 'switch',
  service: 'shop',
  ...(to === undefined ? {} : { to }),
  ...(drainMs === undefined ? {} : { drainMs }),
})
const shift = (to: string, percent: number): Command => ({ kind: 'shift', service: 'shop', to, percent })
const rollback = (revision?: number): Command => ({
  kind: 'rollback',
  service: 'shop',
  ...(revision === undefined ? {} : { revision }),
})

describe('switch', () => {
  test('moves the whole split to one pool, and records both splits', () => {
    const world = shop()
    const change = world.must(switchTo('green'), { by: 'eva', reason: 'release 42', force: false, ifMatch: null })
    expect(world.split()).toEqual({ green: 100 })
    expect(change.history).toEqual([
      {
        revision: 2,
        at: '2026-11-26T12:00:00.000Z',
        by: 'eva',
        reason: 'release 42',
        action: 'switch',
        service: 'shop',
        from: { blue: 100 },
        to: { green: 100 },
        forced: false,
      },
    ])
  })

  test('without a pool goes to the other one, back and forth', () => {
    const world = shop()
    world.must(switchTo())
    expect(world.split()).toEqual({ green: 100 })
    world.must(switchTo())
    expect(world.split()).toEqual({ blue: 100 })
  })

  test('without a pool is refused if "the other one" is ambiguous', () => {
    for (const world of [shop({ blue: 1 }), shop({ a: 1, b: 1, c: 1 })]) {
      expect(world.run(switchTo())).toMatchObject({ kind: 'refused', refusal: { problems: [{ path: 'to' }] } })
    }
    const world = shop()
    world.must(shift('green', 5))
    expect(world.run(switchTo())).toMatchObject({ kind: 'refused', refusal: { problems: [{ path: 'to' }] } })
  })

  test('to the pool that has all traffic changes nothing', () => {
    const world = shop()
    expect(world.run(switchTo('blue'))).toEqual({ kind: 'unchanged' })
    expect(world.state.revision).toBe(1)
  })

  test('to an unknown pool is refused with the known ones', () => {
    for (const to of ['gren', 'constructor', '__proto__', '']) {
      const refusal = { kind: 'unknown', what: 'pool', name: to, known: ['blue', 'green'] }
      expect(shop().run(switchTo(to))).toEqual({ kind: 'refused', refusal })
    }
  })

  test('with a deadline cuts the pool that lost its share, until it gets one again', () => {
    const world = shop()
    const cutAt = () => wholeTable(world.state, 1).services[0]?.pools.map((pool) => pool.servers[0]?.cutAt)
    world.must(switchTo('green', 2_000))
    expect(cutAt()).toEqual([NOW_MS + 2_000, null])
    // A later unrelated change keeps the deadline.
    world.must({ kind: 'server', server: 'green1', weight: 3 })
    expect(cutAt()).toEqual([NOW_MS + 2_000, null])
    world.must(shift('blue', 1))
    expect(cutAt()).toEqual([null, null])
    world.must(switchTo('green'))
    expect(cutAt()).toEqual([null, null])
  })
})

test('a deadline is kept while the traffic of other pools changes', () => {
  const world = shop({ a: 1, b: 1, c: 1 })
  world.must(switchTo('b', 2_000))
  world.facts = { ...world.facts, nowMs: NOW_MS + 1_000 }
  world.must(shift('c', 10))
  world.must(switchTo('c', 5_000))
  const cutAt = wholeTable(world.state, 1).services[0]?.pools.map((pool) => pool.servers[0]?.cutAt)
  expect(cutAt).toEqual([NOW_MS + 2_000, NOW_MS + 6_000, null])
})

describe('shift', () => {
  test('of the only pool must be 100', () => {
    const outcome = shop({ blue: 1 }).run(shift('blue', 50))
    expect(outcome).toMatchObject({
      refusal: { problems: [{ path: 'percent', message: 'must be 100: there is no other pool for the rest' }] },
    })
  })

  test('asks for a split if the pool for the rest is ambiguous', () => {
    const outcome = shop({ a: 1, b: 1, c: 1 }).run(shift('a', 50))
    expect(outcome).toMatchObject({
      refusal: { problems: [{ path: 'percent', message: expect.stringMatching(/"split".*\(b, c\)$/) }] },
    })
  })

  test('refuses invalid percentages', () => {
    for (const percent of [-0.01, 100.01, Number.NaN, 0.001]) {
      expect(shop().run(shift('green', percent))).toMatchObject({ refusal: { problems: [{ path: 'percent' }] } })
    }
  })

  test('a split may name pools with 0; they are left out of the decision', () => {
    const world = shop({ a: 1, b: 1, c: 1 })
    world.must({ kind: 'split', service: 'shop', split: { a: 99.99, b: 0.01, c: 0 } })
    expect(world.split()).toEqual({ a: 99.99, b: 0.01 })
    expect(world.run({ kind: 'split', service: 'shop', split: { b: 0.01, a: 99.99 } })).toEqual({ kind: 'unchanged' })
  })
})

describe('T13: rollback', () => {
  const shifts = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), percents), { minLength: 1, maxLength: 12 })

  test('goes to the previous decision; a second rollback returns to the first', () => {
    fc.assert(
      fc.property(shifts, (steps) => {
        const world = shop({ a: 1, b: 1, c: 1 })
        world.must({ kind: 'split', service: 'shop', split: { a: 40, b: 40, c: 20 } })
        const splits = [{ a: 100 }, world.split()]
        for (const [to, percent] of steps) {
          if (world.run(shift(to, percent)).kind === 'change') splits.push(world.split())
        }
        world.must(rollback())
        expect(world.split()).toEqual(splits.at(-2))
        world.must(rollback())
        expect(world.split()).toEqual(splits.at(-1))
      }),
    )
  })

  test('with a revision goes to the split that was in force then', () => {
    fc.assert(
      fc.property(shifts, fc.nat(), (steps, choice) => {
        const world = shop({ a: 1, b: 1, c: 1 })
        const inForce = [world.split(), world.split()]
        for (const [to, percent] of steps) {
          if (world.run(shift(to, percent)).kind === 'change') inForce.push(world.split())
        }
        const revision = 1 + (choice % (inForce.length - 1))
        world.run(rollback(revision))
        expect(world.split()).toEqual(inForce[revision])
      }),
    )
  })

  test('to a revision that does not exist yet is refused with the known decisions', () => {
    const world = shop({ a: 1, b: 1 })
    world.must(switchTo('b'))
    const latest = world.state.revision
    expect(world.run(rollback(latest + 1))).toEqual({
      kind: 'refused',
      refusal: { kind: 'unknown', what: 'revision', name: String(latest + 1), known: [String(latest), '1'] },
    })
    expect(world.run(rollback(latest)).kind).toBe('unchanged')
    expect(world.run(rollback(1)).kind).toBe('change')
  })

  test('of a service that was never changed is a conflict', () => {
    const detail = 'There is no earlier routing decision to go back to.'
    expect(shop().run(rollback())).toEqual({ kind: 'refused', refusal: { kind: 'conflict', detail } })
    expect(shop().run(rollback(0))).toMatchObject({
      refusal: { kind: 'conflict', detail: expect.stringMatching(/the oldest is from 1\.$/) },
    })
  })

  test('works although a pool with 0 in that decision was removed since', () => {
    const split = { blue: 100, red: 0 }
    const world = new World({ shop: definitionOf({ blue: 1, green: 1, red: 1 }, { split }) })
    world.must({
      kind: 'define',
      service: 'shop',
      definition: definitionOf({ blue: 1, green: 1 }),
      action: 'replace',
    })
    world.must(switchTo('green'))
    world.must(rollback())
    expect(world.split()).toEqual({ blue: 100 })
  })

  test('to a pool that was removed is a conflict', () => {
    const world = shop({ blue: 1, green: 1, red: 1 })
    world.must(switchTo('red'))
    world.must(switchTo('green'))
    const definition = definitionOf({ blue: 1, green: 1 })
    world.must({ kind: 'define', service: 'shop', definition, action: 'replace' })
    expect(world.run(rollback())).toMatchObject({
      refusal: { kind: 'conflict', detail: 'That decision used pools that no longer exist: red.' },
    })
  })
})
