import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../src/model/commands.ts'
import { drainsOf } from '../../src/model/drains.ts'
import { shareOf, WHOLE } from '../../src/model/split.ts'
import { definitionOf, FORCED, percents, resolved, TREACHEROUS, World } from './support.ts'

const define = (definition: ReturnType<typeof resolved>, service = 'shop'): Command => ({
  kind: 'define',
  service,
  definition,
  action: 'replace',
})

/** Some of the three servers of each of three pools. */
const shapes = fc
  .uniqueArray(fc.constantFrom('a1', 'a2', 'a3', 'b1', 'b2', 'b3', 'c1', 'c2', 'c3'), { minLength: 1 })
  .map((servers) => servers.toSorted())

function shapeOf(servers: readonly string[], rest = {}) {
  const pools: Record<string, { servers: Record<string, string> }> = {}
  for (const name of servers) {
    const pool = name.charAt(0)
    pools[pool] ??= { servers: {} }
    pools[pool].servers[name] = `http://10.0.0.1:${1000 + name.charCodeAt(0) * 10 + Number(name.charAt(1))}`
  }
  const [first = ''] = Object.keys(pools)
  return resolved({ pools, split: { [first]: 100 }, ...rest })
}

describe('a redefined service', () => {
  const changes = fc.record({
    before: shapes,
    after: shapes,
    states: fc.array(fc.tuple(fc.nat(), fc.constantFrom('drain', 'maint', 'ready'), fc.integer({ min: 0, max: 9 }))),
    shifts: fc.array(fc.tuple(fc.nat(), percents)),
  })

  test('keeps the runtime settings of every server and pool that still exists, and drops the others', () => {
    fc.assert(
      fc.property(changes, ({ before, after, states, shifts }) => {
        const world = new World({ shop: shapeOf(before) })
        for (const [choice, state, weight] of states) {
          const server = before[choice % before.length] ?? ''
          world.run({ kind: 'server', server, state, weight }, FORCED)
        }
        const pools = Object.keys(world.service().spec.pools)
        for (const [choice, percent] of shifts) {
          const to = pools[choice % pools.length] ?? ''
          world.run({ kind: 'shift', service: 'shop', to, percent })
        }
        const said = world.service()
        const split = world.split()
        world.run(define(shapeOf(after)), FORCED)

        const isLeft = (path: string) => after.some((name) => path === `${name.charAt(0)}/${name}`)
        const expected = Object.entries(said.servers).filter(([path]) => isLeft(path))
        expect(Object.entries(world.service().servers)).toEqual(expected)

        const left = new Set(after.map((name) => name.charAt(0)))
        const isSplitWhole = Object.keys(split).every((pool) => left.has(pool))
        if (isSplitWhole) expect(world.split()).toEqual(split)
        const shares = Object.keys(world.split()).map((pool) => shareOf(world.split(), pool))
        expect(shares.reduce((a, b) => a + b, 0)).toBe(WHOLE)
        expect(Object.keys(world.split()).every((pool) => left.has(pool))).toBe(true)
      }),
    )
  })

  test('takes the split of its definition if no pool of the previous split is left', () => {
    const world = new World({ shop: definitionOf({ blue: 1, green: 1 }) })
    world.must(define(definitionOf({ red: 1, black: 1 }, { split: { red: 30, black: 70 } })), FORCED)
    expect(world.split()).toEqual({ red: 30, black: 70 })
    world.must({ kind: 'switch', service: 'shop', to: 'red' })
    world.must({ kind: 'rollback', service: 'shop' })
    expect(world.split()).toEqual({ red: 30, black: 70 })
  })

  test('keeps the settings of a server with a new address, as another target', () => {
    const world = new World({ shop: definitionOf({ blue: 1 }) })
    world.must({ kind: 'server', server: 'blue1', weight: 7 })
    const before = world.state
    const command = define(resolved({ pools: { blue: { servers: { blue1: 'http://10.9.9.9:1' } } } }))
    world.must(command, FORCED)
    expect(world.service().servers).toEqual({ 'blue/blue1': { state: 'ready', weight: 7, cutAt: null } })
    const keys = ['shop/blue/blue1=http://10.0.0.1:9000']
    expect(drainsOf(command, before, world.state)).toEqual([{ name: 'blue1', keys }])
  })

  test('with the same definition changes nothing, whatever the order of its keys', () => {
    const source = {
      pools: { blue: { version: '1', servers: { b: 'http://h:1' } } },
      split: { blue: 100 },
      minReady: 1,
    }
    const world = new World({ shop: resolved(source) })
    const { pools, split, minReady } = source
    const { version, servers } = pools.blue
    expect(world.run(define(resolved({ minReady, split, pools: { blue: { servers, version } } })))).toEqual({
      kind: 'unchanged',
    })
    expect(world.run(define(resolved({ ...source, minReady: 2 })))).toMatchObject({
      change: { history: [{ action: 'replace', from: { minReady: 1 }, to: { minReady: 2 } }] },
    })
  })

  test('has the keys that differ in the history; a new service has all of them', () => {
    const definition = definitionOf({ blue: 1 })
    const world = new World()
    expect(world.must(define(definition)).history).toMatchObject([{ from: {}, to: definition.source }])
    const other = definitionOf({ blue: 1 }, { timeouts: { response: '5s' } })
    expect(world.must(define(other)).history).toMatchObject([{ from: {}, to: { timeouts: { response: '5s' } } }])
  })
})

describe('a removed service', () => {
  test('is gone from the state, with a history entry and drains of its servers', () => {
    const world = new World({ shop: definitionOf({ blue: 2 }), extra: definitionOf({ red: 1 }, { paths: ['/x'] }) })
    const before = world.state
    const command: Command = { kind: 'remove', service: 'shop' }
    const { services, history } = world.must(command, FORCED)
    expect(services).toEqual({ shop: null })
    expect(history).toMatchObject([{ action: 'delete', from: before.services.shop?.source, to: null }])
    expect(Object.keys(world.state.services)).toEqual(['extra'])
    expect(drainsOf(command, before, world.state).map(({ name }) => name)).toEqual(['blue1', 'blue2'])
    expect(world.run(command)).toMatchObject({ kind: 'refused', refusal: { kind: 'unknown', known: ['extra'] } })
  })
})

describe('a configuration', () => {
  const shop = definitionOf({ blue: 1 })
  const api = definitionOf({ red: 1 }, { paths: ['/api'] })
  const configure = (hash: string, services: Extract<Command, { kind: 'configure' }>['services']): Command => ({
    kind: 'configure',
    configuration: { hash, services: {} },
    services,
  })

  test('makes one revision, with a history entry for every changed service', () => {
    const world = new World({ old: definitionOf({ x: 1 }, { paths: ['/old'] }) })
    const { revision, history, services, configuration } = world.must(configure('h1', { shop, api, old: null }))
    expect(revision).toBe(2)
    expect(history.map(({ service, action, revision, to }) => [service, action, revision, to])).toEqual([
      ['shop', 'configure', 2, shop.source],
      ['api', 'configure', 2, api.source],
      ['old', 'configure', 2, null],
    ])
    expect(Object.keys(services)).toEqual(['shop', 'api', 'old'])
    expect(configuration?.hash).toBe('h1')
    expect(Object.keys(world.state.services)).toEqual(['shop', 'api'])
  })

  test('makes no revision when applied again; with another hash it does, so that the next file is compared with it', () => {
    const world = new World()
    world.must(configure('h1', { shop }))
    expect(world.run(configure('h1', {}))).toEqual({ kind: 'unchanged' })
    expect(world.run(configure('h1', { never: null, shop }))).toEqual({ kind: 'unchanged' })
    const { services, history } = world.must(configure('h2', {}))
    expect([services, history]).toEqual([{}, []])
  })

  test('may remove services that do not exist any more', () => {
    const world = new World({ shop })
    world.must(configure('h1', { never: null, shop: null, api }), FORCED)
    expect(Object.keys(world.state.services)).toEqual(['api'])
  })

  test('is refused as a whole if the change of one service is unsafe', () => {
    const world = new World({ shop, api })
    const state = world.state
    const outcome = world.run(configure('h1', { shop: definitionOf({ green: 1 }), api: null }))
    expect(outcome).toMatchObject({ kind: 'refused', refusal: { kind: 'unsafe' } })
    expect(world.state).toBe(state)
  })
})

test.each(TREACHEROUS)('%s is a name like any other', (name) => {
  const world = new World()
  const source = { pools: { [name]: { servers: { [name]: 'http://h:1' } } }, split: { [name]: 100 } }
  const outcome = world.run({ kind: 'switch', service: name, to: name })
  expect(outcome).toEqual({ kind: 'refused', refusal: { kind: 'unknown', what: 'service', name, known: [] } })
  world.must(define(resolved(source, name), name))
  world.must({ kind: 'server', server: name, service: name, pool: name, weight: 5 })
  expect(Object.entries(world.service(name).servers)).toEqual([
    [`${name}/${name}`, { state: 'ready', weight: 5, cutAt: null }],
  ])
  world.must({ kind: 'remove', service: name }, FORCED)
  expect(Object.keys(world.state.services)).toEqual([])
})

test('__proto__ names no service, and changes no other', () => {
  const world = new World({ shop: definitionOf({ blue: 1 }) })
  for (const command of [
    { kind: 'remove', service: '__proto__' },
    { kind: 'rollback', service: '__proto__' },
    { kind: 'server', server: '__proto__', state: 'drain' },
    { kind: 'server', server: 'blue1', service: '__proto__', state: 'drain' },
    { kind: 'server', server: 'blue1', pool: '__proto__', state: 'drain' },
  ] as const) {
    expect(world.run(command)).toMatchObject({ kind: 'refused', refusal: { kind: 'unknown', name: '__proto__' } })
  }
  world.must({ kind: 'configure', configuration: { hash: 'x', services: {} }, services: { ['__proto__']: null } })
  expect(Object.keys(world.state.services)).toEqual(['shop'])
  expect(Object.getPrototypeOf(world.state.services)).toBe(Object.prototype)
})
