import { expect, test } from 'vitest'
import { serviceChanges } from '../../src/model/service-changes.ts'
import { stickyKeyOf } from '../../src/model/sticky-key.ts'
import { wholeTable } from '../../src/model/table.ts'
import { definitionOf, World } from './support.ts'

const STICKY = { sticky: { cookie: 's' } }
const define = (service: string, rest = {}) =>
  ({ kind: 'define', service, definition: definitionOf({ blue: 2, green: 1 }, rest), action: 'create' }) as const

/** The values of the cookies, by key of the server. */
function valuesOf(world: World): ReadonlyMap<string, string | undefined> {
  const servers = wholeTable(world.state, 1).services.flatMap(({ pools }) => pools.flatMap((pool) => pool.servers))
  return new Map(servers.map(({ key, sticky }) => [key, sticky]))
}

test('the change that defines the first sticky service makes the key; later ones keep it', () => {
  const world = new World({ plain: definitionOf({ blue: 1 }) })
  expect(stickyKeyOf(world.state)).toBe(null)
  world.facts = { ...world.facts, secret: 'first' }
  const { collections } = world.must(define('shop', STICKY))
  expect(collections).toEqual({ stickyKeys: { current: { revision: 2, value: { key: 'first' } } } })
  const before = valuesOf(world)
  world.facts = { ...world.facts, secret: 'second' }
  expect(world.must(define('other', STICKY)).collections).toBeUndefined()
  world.must({ kind: 'remove', service: 'shop' }, { by: 'test', reason: null, force: true, ifMatch: null })
  world.must(define('shop', STICKY))
  for (const [key, value] of before) expect(valuesOf(world).get(key)).toBe(value)
})

test('every server of a sticky service has a value of its own, which reveals nothing and does not depend on the address', () => {
  const world = new World({ plain: definitionOf({ blue: 1 }), shop: definitionOf({ blue: 2, green: 2 }, STICKY) })
  const values = valuesOf(world)
  expect(values.get('plain/blue/blue1=http://10.0.0.1:9000')).toBeUndefined()
  const ofShop = [...values].flatMap(([key, value]) => (key.startsWith('shop/') ? [value ?? ''] : []))
  expect(new Set(ofShop).size).toBe(4)
  for (const value of ofShop) expect(value).toMatch(/^[\w-]{22}$/)

  const moved = new World({ shop: definitionOf({ green: 1, blue: 1 }, { ...STICKY, split: { blue: 100 } }) })
  expect(valuesOf(moved).get('shop/blue/blue1=http://10.0.1.1:9000')).toBe(
    values.get('shop/blue/blue1=http://10.0.0.1:9000'),
  )
  const otherKey = new World()
  otherKey.facts = { ...otherKey.facts, secret: 'another' }
  otherKey.must(define('shop', STICKY))
  expect(valuesOf(otherKey).get('shop/blue/blue1=http://10.0.0.1:9000')).not.toBe(
    values.get('shop/blue/blue1=http://10.0.0.1:9000'),
  )
})

test('a key that this version cannot read stays, and there are no cookies', () => {
  const world = new World()
  world.state = { ...world.state, collections: { stickyKeys: { current: { revision: 0, value: { keys: ['new'] } } } } }
  expect(world.must(define('shop', STICKY)).collections).toBeUndefined()
  expect([...valuesOf(world).values()]).toEqual([undefined, undefined, undefined])
})

test('another key changes the sticky services, and no others', () => {
  const { state } = new World({ plain: definitionOf({ blue: 1 }), shop: definitionOf({ blue: 1 }, STICKY) })
  const other = { ...state, collections: { stickyKeys: { current: { revision: 9, value: { key: 'other' } } } } }
  expect(serviceChanges(state, other).changed.map(({ name }) => name)).toEqual(['shop'])
  expect(serviceChanges(state, { ...state }).changed).toEqual([])
})
