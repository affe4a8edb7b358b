import { describe, expect, test } from 'vitest'
import type { Command } from '../../src/model/commands.ts'
import { drainsOf } from '../../src/model/drains.ts'
import { wholeTable } from '../../src/model/table.ts'
import { definitionOf, NOW_MS, PLAIN, resolved, World } from './support.ts'

type ServerCommand = Extract<Command, { kind: 'server' }>
const command = (changes: Partial<ServerCommand>): ServerCommand => ({ kind: 'server', server: 'web1', ...changes })

/** Two services, each with a server `web1`; `shop` has it in both of its pools. */
function world(): World {
  const web = (at: string) => ({ servers: { web1: `http://${at}:1`, web2: `http://${at}:2` } })
  const shop = resolved({ pools: { blue: web('10.0.0.1'), green: web('10.0.0.2') }, split: { blue: 100 } })
  return new World({ shop, api: definitionOf({ web: 2 }, { paths: ['/api'] }) })
}

/** `service/pool/server` of every server that is not ready. */
const out = ({ state }: World) =>
  Object.values(state.services).flatMap((service) =>
    Object.entries(service.servers)
      .filter(([, runtime]) => runtime.state !== 'ready')
      .map(([path]) => `${service.name}/${path}`),
  )

describe('T3: a server name in several pools and services', () => {
  test.each([
    [{}, ['shop/blue/web1', 'shop/green/web1', 'api/web/web1']],
    [{ service: 'shop' }, ['shop/blue/web1', 'shop/green/web1']],
    [{ pool: 'green' }, ['shop/green/web1']],
    [{ service: 'api', pool: 'web' }, ['api/web/web1']],
  ])('narrowed by %j', (narrowed, expected) => {
    const two = world()
    const drain = command({ state: 'drain', ...narrowed })
    const { revision, history } = two.must(drain)
    expect(out(two).toSorted()).toEqual(expected.toSorted())
    expect(revision).toBe(3)
    expect(history.map(({ service }) => service).toSorted()).toEqual(
      [...new Set(expected.map((path) => path.split('/')[0] ?? ''))].toSorted(),
    )
    const [waited] = drainsOf(drain, two.state, two.state)
    expect(waited?.keys.map((key) => key.replace(/=.*/, '')).toSorted()).toEqual(expected.toSorted())
  })

  test.each([
    [{ server: 'web9' }, { what: 'server', name: 'web9', known: ['web1', 'web2'] }],
    [
      { server: 'web1', service: 'shp' },
      { what: 'service', name: 'shp', known: ['shop', 'api'] },
    ],
    [
      { server: 'web1', pool: 'gren' },
      { what: 'pool', name: 'gren', known: ['blue', 'green', 'web'] },
    ],
    [
      { server: 'web1', service: 'shop', pool: 'web' },
      { what: 'pool', name: 'web', known: ['blue', 'green'] },
    ],
    [
      { server: 'web9', pool: 'web' },
      { what: 'server', name: 'web9', known: ['web1', 'web2'] },
    ],
  ])('%j is unknown, and the refusal names the wrong part', (narrowed, refusal) => {
    const outcome = world().run(command({ state: 'drain', ...narrowed }))
    expect(outcome).toEqual({ kind: 'refused', refusal: { kind: 'unknown', ...refusal } })
  })
})

describe('state and weight', () => {
  const alone = (rest = {}) => new World({ shop: definitionOf({ web: 2 }, rest) })
  const seen = (one: World) => wholeTable(one.state, 1).services[0]?.pools[0]?.servers[0]

  test('are in the history before and after the change', () => {
    const one = alone()
    const history = [
      one.must(command({ state: 'drain' })),
      one.must(command({ state: 'maint' })),
      one.must(command({ state: 'ready', weight: 3 })),
      one.must(command({ weight: null })),
    ].flatMap((change) => change.history.map(({ action, from, to }) => ({ action, from, to })))
    expect(history).toEqual([
      { action: 'drain', from: { 'web/web1': { state: 'ready' } }, to: { 'web/web1': { state: 'drain' } } },
      { action: 'maint', from: { 'web/web1': { state: 'drain' } }, to: { 'web/web1': { state: 'maint' } } },
      { action: 'enable', from: { 'web/web1': { state: 'maint' } }, to: { 'web/web1': { state: 'ready', weight: 3 } } },
      { action: 'weight', from: { 'web/web1': { state: 'ready', weight: 3 } }, to: { 'web/web1': { state: 'ready' } } },
    ])
  })

  test('that are set already change nothing', () => {
    const one = alone()
    for (const same of [{ state: 'ready' }, { weight: null }, { state: 'ready', weight: null }] as const) {
      expect(one.run(command(same))).toEqual({ kind: 'unchanged' })
    }
    one.must(command({ state: 'drain' }))
    expect(one.run(command({ state: 'drain' }))).toEqual({ kind: 'unchanged' })
  })

  test('of several servers change only where they differ', () => {
    const two = world()
    two.must(command({ state: 'drain', service: 'shop', pool: 'blue' }))
    const [entry, ...others] = two.must(command({ state: 'drain', service: 'shop' })).history
    expect([entry?.to, others]).toEqual([{ 'green/web1': { state: 'drain' } }, []])
  })

  test('are set independently of each other', () => {
    const one = alone()
    one.must(command({ weight: 5 }))
    one.must(command({ state: 'drain' }))
    expect(seen(one)).toMatchObject({ weight: 5, open: false })
    one.must(command({ state: 'ready' }))
    expect(seen(one)).toMatchObject({ weight: 5, open: true })
    one.must(command({ weight: 0 }))
    expect(seen(one)).toMatchObject({ weight: 0, open: false })
  })

  test('a drain has a deadline from its beginning, which later commands keep', () => {
    const one = alone({ drain: { timeout: '10s' } })
    one.must(command({ state: 'drain' }))
    expect(seen(one)?.cutAt).toBe(NOW_MS + 10_000)
    one.facts = { ...one.facts, nowMs: NOW_MS + 5_000 }
    one.must(command({ weight: 2 }))
    one.must(command({ state: 'maint' }))
    expect(seen(one)?.cutAt).toBe(NOW_MS + 10_000)
    one.must(command({ state: 'ready' }))
    expect(seen(one)?.cutAt).toBe(null)
    one.must(command({ state: 'drain' }))
    expect(seen(one)?.cutAt).toBe(NOW_MS + 15_000)
  })

  test('a drain without a deadline never cuts', () => {
    const one = alone({ drain: { timeout: 0 } })
    one.must(command({ state: 'drain' }))
    expect(seen(one)?.cutAt).toBe(null)
  })
})

describe('drains of a command', () => {
  const switchTo = (to: string): Command => ({ kind: 'switch', service: 'shop', to })

  test('are the pools that have lost their share', () => {
    const one = new World({ shop: definitionOf({ a: 1, b: 1, c: 2 }, { split: { a: 50, c: 50 } }) })
    const drains = (step: Command) => {
      const before = one.state
      one.run(step, PLAIN)
      return drainsOf(step, before, one.state)
    }
    expect(drains(switchTo('a'))).toEqual([
      { name: 'c', keys: ['shop/c/c1=http://10.0.2.1:9000', 'shop/c/c2=http://10.0.2.2:9000'] },
    ])
    expect(drains({ kind: 'shift', service: 'shop', to: 'b', percent: 5 })).toEqual([])
    expect(drains({ kind: 'rollback', service: 'shop' }).map(({ name }) => name)).toEqual(['b'])
    // Repeated, as by a client that continues to wait: every pool without a share.
    expect(drains(switchTo('a')).map(({ name }) => name)).toEqual(['b', 'c'])
  })

  test('are servers set to drain or maint, also if they were before; not servers set to ready', () => {
    const one = new World({ shop: definitionOf({ web: 2 }) })
    for (const state of ['drain', 'drain', 'maint'] as const) {
      const step = command({ state })
      const before = one.state
      one.run(step)
      expect(drainsOf(step, before, one.state)).toEqual([
        { name: 'web1', keys: ['shop/web/web1=http://10.0.0.1:9000'] },
      ])
    }
    for (const changes of [{ state: 'ready' }, { weight: 0 }] as const) {
      expect(drainsOf(command(changes), one.state, one.state)).toEqual([])
    }
  })
})
