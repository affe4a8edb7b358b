import { describe, expect, test } from 'vitest'
import type { HealthView } from '../../src/model/handover.ts'
import {
  canServe,
  definitionChanges,
  groupChanges,
  missingServers,
  withDefinitionOf,
} from '../../src/model/handover.ts'
import type { JsonObject, Service } from '../../src/model/state.ts'
import { currentSplit } from '../../src/model/state.ts'
import { definitionOf, resolved } from './support.ts'

/** A service as it was just defined. */
function service(name: string, source: JsonObject, rest: Partial<Service> = {}): Service {
  const definition = resolved(source, name)
  const decisions = [{ revision: 1, split: definition.spec.split }]
  return { name, revision: 1, ...definition, decisions, servers: {}, poolCuts: {}, ...rest }
}

function routed(name: string, paths: readonly string[], hosts: readonly string[] = []): Service {
  return service(name, { hosts, paths, pools: { main: { servers: { a: 'http://10.0.0.1:9000' } } } })
}

const shopOf = (pools: Readonly<Record<string, number>>, rest: JsonObject = {}, runtime: Partial<Service> = {}) =>
  service('shop', definitionOf(pools, rest).source, runtime)
const named = (...services: readonly Service[]) => Object.fromEntries(services.map((each) => [each.name, each]))
const health = (up: readonly string[], undecided: readonly string[] = []): HealthView => ({
  isUp: ({ name }) => up.includes(name),
  isUndecided: ({ name }) => undecided.includes(name),
})

describe('definitionChanges', () => {
  test('lists services that are new, removed or defined in another way, and no others', () => {
    const [a, b, c] = [routed('a', ['/a']), routed('b', ['/b']), routed('c', ['/c'])]
    const switched = { ...a, revision: 2, decisions: [...a.decisions, { revision: 2, split: { main: 100 } }] }
    const moved = routed('b', ['/b2'])
    const changes = definitionChanges(named(a, b, c), named(switched, moved, routed('d', ['/d'])))
    expect(changes.map(({ name, before, after }) => [name, before !== null, after !== null])).toEqual([
      ['b', true, true],
      ['d', false, true],
      ['c', true, false],
    ])
  })
})

describe('groupChanges', () => {
  const groups = (before: readonly Service[], after: readonly Service[]) => {
    const changes = definitionChanges(named(...before), named(...after))
    return groupChanges(changes, named(...before), named(...after)).map(({ names, takeovers }) => ({
      names: [...names].sort(),
      takeovers: takeovers.map(({ from, to }) => `${from}>${to}`).sort(),
    }))
  }

  test('a service with another definition takes over from itself', () => {
    expect(groups([shopOf({ blue: 1 })], [shopOf({ green: 1 })])).toEqual([
      { names: ['shop'], takeovers: ['shop>shop'] },
    ])
  })

  test('a service with another name depends on the one that it replaces', () => {
    expect(groups([routed('a', ['/'])], [routed('b', ['/'])])).toEqual([{ names: ['a', 'b'], takeovers: ['a>b'] }])
  })

  test('a path of a catch-all service is taken without a change of that service', () => {
    const all = routed('all', ['/'])
    expect(groups([all], [all, routed('api', ['/api'])])).toEqual([{ names: ['api'], takeovers: ['all>api'] }])
  })

  test('a service that keeps its paths changes by itself, even if another one takes some of its requests', () => {
    const other = service('all', { pools: { main: { servers: { b: 'http://10.0.0.2:9000' } } } })
    expect(groups([routed('all', ['/'])], [other, routed('api', ['/api'])])).toEqual([
      { names: ['all'], takeovers: ['all>all'] },
      { names: ['api'], takeovers: ['all>api'] },
    ])
  })

  test('a service that would not answer any more waits for all that take over, and they for each other', () => {
    const after = [routed('one', ['/one']), routed('two', ['/two']), routed('rest', ['/'])]
    expect(groups([routed('all', ['/'])], after)).toEqual([
      { names: ['all', 'one', 'rest', 'two'], takeovers: ['all>one', 'all>rest', 'all>two'] },
    ])
  })

  test('requests of a removed service go to the catch-all service', () => {
    const all = routed('all', ['/'])
    expect(groups([all, routed('api', ['/api'])], [all])).toEqual([{ names: ['api'], takeovers: ['api>all'] }])
  })

  test('a route with a more specific host takes longer paths of any host', () => {
    const [any, host] = [routed('any', ['/api/v1']), routed('host', ['/'], ['shop.test'])]
    expect(groups([any], [any, host])).toEqual([{ names: ['host'], takeovers: ['any>host'] }])
    expect(groups([any, host], [any])).toEqual([{ names: ['host'], takeovers: ['host>any'] }])
  })

  test('a wildcard host is taken from, and requests of other hosts are not', () => {
    const wild = routed('wild', ['/'], ['*.test'])
    expect(groups([wild], [wild, routed('a', ['/'], ['a.b.test']), routed('b', ['/'], ['b.example'])])).toEqual([
      { names: ['a'], takeovers: ['wild>a'] },
      { names: ['b'], takeovers: [] },
    ])
  })

  test('a path above that of another service takes nothing from it', () => {
    const v2 = routed('v2', ['/api/v2'])
    expect(groups([v2], [v2, routed('api', ['/api'])])).toEqual([{ names: ['api'], takeovers: [] }])
  })
})

describe('missingServers', () => {
  const missing = (after: Service, up: HealthView, before: Service, upBefore: HealthView) =>
    missingServers(after, up, before, upBefore).map(({ name }) => name)
  const one = shopOf({ blue: 1 })

  test('none once every pool with a share has a server that is up', () => {
    const after = shopOf({ green: 2, red: 1 }, { split: { green: 50, red: 50 } })
    expect(missing(after, health([]), one, health(['blue1']))).toEqual(['green1', 'green2', 'red1'])
    expect(missing(after, health(['green1']), one, health(['blue1']))).toEqual(['red1'])
    expect(missing(after, health(['green1', 'red1']), one, health(['blue1']))).toEqual([])
  })

  test('a pool without a share is not waited for', () => {
    const after = shopOf({ green: 1, red: 1 }, { split: { green: 100 } })
    expect(missing(after, health(['green1']), one, health(['blue1']))).toEqual([])
  })

  test('as many as minReady, but not more than were up before', () => {
    const after = shopOf({ green: 3 }, { minReady: 2 })
    expect(missing(after, health(['green1']), shopOf({ blue: 3 }), health(['blue1', 'blue2']))).toEqual([
      'green2',
      'green3',
    ])
    expect(missing(after, health(['green1']), shopOf({ blue: 3 }), health(['blue1']))).toEqual([])
  })

  test('a pool that had no server up before is not waited for', () => {
    const split = { split: { blue: 50, green: 50 } }
    const after = shopOf({ blue: 1, green: 1 }, { ...split, panic: '50%' })
    expect(missing(after, health(['blue1']), shopOf({ blue: 1, green: 1 }, split), health(['blue1']))).toEqual([])
  })

  test('while checks have no result, as many as were up before', () => {
    const before = shopOf({ blue: 2 })
    const upBefore = health(['blue1', 'blue2'])
    const after = shopOf({ green: 3 })
    expect(missing(after, health(['green1'], ['green2']), before, upBefore)).toEqual(['green2', 'green3'])
    expect(missing(after, health(['green1', 'green2'], ['green3']), before, upBefore)).toEqual([])
    expect(missing(after, health(['green1']), before, upBefore)).toEqual([])
  })

  test('servers that take no requests are not waited for', () => {
    const drained = { 'green/green1': { state: 'drain' as const, weight: null, cutAt: null } }
    expect(missing(shopOf({ green: 1 }, {}, { servers: drained }), health([]), one, health(['blue1']))).toEqual([])
    expect(missing(shopOf({ green: 0 }), health([]), one, health(['blue1']))).toEqual([])
  })
})

test('a service can serve while a server with a share is up, or in its first round of checks', () => {
  const both = shopOf({ blue: 1, green: 1 })
  expect(canServe(both, health(['blue1']))).toBe(true)
  expect(canServe(both, health([], ['blue1']))).toBe(true)
  expect(canServe(both, health(['green1'], ['green1']))).toBe(false)
})

describe('withDefinitionOf', () => {
  const before = shopOf({ blue: 1, green: 1 }, { split: { blue: 70, green: 30 } })
  const after = shopOf({ green: 1, red: 1 }, { split: { green: 100 } })

  test('keeps definition and split', () => {
    const kept = withDefinitionOf(before, { ...after, revision: 7 }, currentSplit(after))
    expect([kept.spec, kept.source, kept.revision]).toEqual([before.spec, before.source, 7])
    expect(currentSplit(kept)).toEqual({ blue: 70, green: 30 })
  })

  test('follows a split that people have decided since, as far as it has the pools', () => {
    const decided = (split: Record<string, number>) => ({ ...after, decisions: [{ revision: 8, split }] })
    expect(currentSplit(withDefinitionOf(before, decided({ green: 40, red: 60 }), { green: 100 }))).toEqual({
      green: 100,
    })
    expect(currentSplit(withDefinitionOf(before, decided({ red: 100 }), { green: 100 }))).toEqual({
      blue: 70,
      green: 30,
    })
  })

  test('follows the states that people give to servers of both, and keeps those of servers that it alone has', () => {
    const state = (name: 'drain' | 'maint') => ({ state: name, weight: null, cutAt: null })
    const had = { ...before, servers: { 'blue/blue1': state('maint'), 'green/green1': state('maint') } }
    expect(withDefinitionOf(had, after, {}).servers).toEqual({ 'blue/blue1': state('maint') })
    const drained = { ...after, servers: { 'green/green1': state('drain'), 'red/red1': state('drain') } }
    expect(withDefinitionOf(had, drained, {}).servers).toMatchObject({
      'blue/blue1': state('maint'),
      'green/green1': state('drain'),
    })
  })
})
