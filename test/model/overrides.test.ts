import { expect, test } from 'vitest'
import { describeOverride, overridden } from '../../src/model/overrides.ts'
import { serversOf } from '../../src/model/servers.ts'
import { currentSplit } from '../../src/model/state.ts'
import { definitionOf, NOW_MS, World } from './support.ts'

const by = { atMs: NOW_MS, by: 'anna', reason: null }
const drain = { ...by, command: { kind: 'server', server: 'blue1', state: 'drain' } } as const
const enable = { ...by, command: { kind: 'server', server: 'blue1', state: 'ready' } } as const
const toGreen = { ...by, command: { kind: 'switch', service: 'shop', to: 'green' } } as const
const nowhere = { ...by, command: { kind: 'switch', service: 'gone', to: 'green' } } as const

const world = () => new World({ shop: definitionOf({ blue: 2, green: 1 }), other: definitionOf({ web: 1 }) })
const shop = (state: World['state']) => {
  const service = state.services.shop
  if (service === undefined) throw new Error('no shop')
  return service
}

test('overrides change the state but not its revision; other services stay the same objects', () => {
  const { state } = world()
  const after = overridden(state, [drain, toGreen])
  expect(serversOf(shop(after), 'blue').map((server) => server.state)).toEqual(['drain', 'ready'])
  expect(currentSplit(shop(after))).toEqual({ green: 100 })
  expect([after.revision, shop(after).revision, after.head]).toEqual([state.revision, shop(state).revision, state.head])
  expect(after.services.other).toBe(state.services.other)
})

test('the last override wins, and an override that is no longer valid is skipped', () => {
  const { state } = world()
  const after = overridden(state, [drain, nowhere, enable])
  expect(serversOf(shop(after), 'blue').map((server) => server.state)).toEqual(['ready', 'ready'])
  expect(overridden(state, [])).toBe(state)
})

test('an override is described in short', () => {
  const narrowed = { ...by, command: { kind: 'server', server: 'a', service: 's', pool: 'p', state: 'drain' } } as const
  expect([drain, enable, toGreen, narrowed].map(describeOverride)).toEqual([
    'drain blue1',
    'enable blue1',
    'switch shop to green',
    'drain a (s/p)',
  ])
})
