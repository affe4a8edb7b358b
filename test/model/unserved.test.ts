import { describe, expect, test } from 'vitest'
import type { Command } from '../../src/model/commands.ts'
import type { JsonObject } from '../../src/model/state.ts'
import { definitionOf, FORCED, World } from './support.ts'

/** A service with these routes, and a server that takes its traffic. */
function answering(rest: JsonObject = {}, servers = 1) {
  return definitionOf({ blue: servers }, { minReady: 0, ...rest })
}

type Services = Extract<Command, { kind: 'configure' }>['services']

function change(services: Services): Command {
  return { kind: 'configure', configuration: { hash: 'next', services: {} }, services }
}

/** Returns the reason of a refusal; null = the change is made. */
function refusal(before: Exclude<Services, null>, command: Command): string | null {
  const world = new World(Object.fromEntries(Object.entries(before).filter((entry) => entry[1] !== null)) as never)
  const outcome = world.run(command)
  if (outcome.kind === 'refused') {
    expect(world.must(command, FORCED).history.every(({ forced }) => forced)).toBe(true)
    return outcome.refusal.kind === 'unsafe' ? outcome.refusal.detail : outcome.refusal.kind
  }
  return null
}

describe('a service that is removed', () => {
  const shop = answering({ hosts: ['shop.test'], paths: ['/', '/more'] })

  test('and has traffic is refused, naming a route that no service takes over', () => {
    const words = 'Service shop has traffic and would be removed; no other service takes over shop.test/ and 1 more.'
    expect(refusal({ shop }, { kind: 'remove', service: 'shop' })).toBe(words)
    expect(refusal({ shop }, change({ shop: null }))).toBe(words)
  })

  test('is refused although an existing service would answer its requests', () => {
    expect(refusal({ shop, rest: answering() }, change({ shop: null }))).toContain('Service shop has traffic')
  })

  test('is allowed if another service takes over all of its routes in the same change', () => {
    expect(refusal({ shop }, change({ shop: null, store: shop }))).toBeNull()
    expect(refusal({ shop }, change({ shop: null, store: answering({ hosts: ['*.test'] }) }))).toBeNull()
    expect(refusal({ shop, rest: answering({ paths: ['/x'] }) }, change({ shop: null, rest: answering() }))).toBeNull()
    const part = answering({ hosts: ['shop.test'], paths: ['/more'] })
    expect(refusal({ shop }, change({ shop: null, store: part }))).toContain('takes over shop.test/.')
  })

  test('is not taken over by a service without servers', () => {
    const empty = answering({ hosts: ['shop.test'], paths: ['/', '/more'] }, 0)
    expect(refusal({ shop }, change({ shop: null, store: empty }))).toContain('Service shop has traffic')
  })

  test('is allowed if it has no server that takes requests', () => {
    expect(refusal({ shop: answering({}, 0) }, { kind: 'remove', service: 'shop' })).toBeNull()
    const world = new World({ shop })
    world.must({ kind: 'server', server: 'blue1', state: 'maint' }, FORCED)
    expect(world.run({ kind: 'remove', service: 'shop' }).kind).toBe('change')
  })
})

describe('a service that loses hosts or paths', () => {
  test.each<[string, JsonObject, JsonObject, string]>([
    ['a host', { hosts: ['a.test', 'b.test'] }, { hosts: ['a.test'] }, 'b.test/'],
    ['a path', { paths: ['/a', '/b'] }, { paths: ['/a'] }, 'any host, path /b'],
    ['any host for one', {}, { hosts: ['a.test'] }, 'any host, path /'],
    ['a wildcard for one of its names', { hosts: ['*.test'] }, { hosts: ['a.test'] }, '*.test/'],
    ['a short path for a longer one', { paths: ['/a'] }, { paths: ['/a/b'] }, 'any host, path /a'],
  ])('is refused if no other service answers: %s', (_what, before, after, route) => {
    expect(refusal({ shop: answering(before) }, change({ shop: answering(after) }))).toBe(
      `Service shop would no longer answer to ${route}, and no other service does.`,
    )
  })

  test.each<[string, JsonObject, JsonObject]>([
    ['a host for any', { hosts: ['a.test'] }, {}],
    ['a host for the wildcard above', { hosts: ['a.b.test'] }, { hosts: ['*.test'] }],
    ['a long path for a shorter one', { paths: ['/a/b'] }, { paths: ['/a'] }],
  ])('is allowed to trade %s', (_what, before, after) => {
    expect(refusal({ shop: answering(before) }, change({ shop: answering(after) }))).toBeNull()
  })

  test('may lose routes that another service answers, now or after the same change', () => {
    const both = answering({ paths: ['/a', '/b'] })
    const one = answering({ paths: ['/a'] })
    expect(refusal({ shop: both, rest: answering() }, change({ shop: one }))).toBeNull()
    expect(refusal({ shop: both }, change({ shop: one, other: answering({ paths: ['/b'] }) }))).toBeNull()
    const idle = answering({}, 0)
    expect(refusal({ shop: both, idle }, change({ shop: one }))).toContain('any host, path /b')
  })

  test('a wildcard does not cover its parent domain', () => {
    const shop = answering({ hosts: ['a.test', 'test'] })
    expect(refusal({ shop }, change({ shop: answering({ hosts: ['*.test'] }) }))).toContain('answer to test/,')
  })
})

test('a refusal names at most five services', () => {
  const names = Array.from({ length: 12 }, (_, i) => `s${i}`)
  const services = Object.fromEntries(names.map((name) => [name, answering({ paths: [`/${name}`] })]))
  const detail = refusal(services, change(Object.fromEntries(names.map((name) => [name, null]))))
  expect(detail).toMatch(/Service s4 has .* 7 more services likewise\.$/)
  expect(detail).not.toContain('Service s5')
})
