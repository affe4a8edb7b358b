import { expect, test } from 'vitest'
import { overtakenRefusal } from '../../src/model/relative.ts'
import { definitionOf, World } from './support.ts'

const world = () => new World({ shop: definitionOf({ blue: 1, green: 1 }), other: definitionOf({ web: 1 }) })
const drain = { kind: 'server', server: 'web1', state: 'drain' } as const
const toGreen = { kind: 'switch', service: 'shop', to: 'green' } as const

test.each([
  { kind: 'switch', service: 'shop' },
  { kind: 'rollback', service: 'shop' },
] as const)('%j is refused after another change of the same service, not decided again', (command) => {
  const one = world()
  const seen = one.state
  one.must(toGreen)
  const refusal = overtakenRefusal(command, seen, one.state)
  expect(refusal).toMatchObject({ kind: 'conflict', detail: expect.stringContaining('Another request changed shop') })
})

test.each([
  toGreen,
  { kind: 'rollback', service: 'shop', revision: 1 },
  { kind: 'shift', service: 'shop', to: 'green', percent: 5 },
] as const)('%j does not depend on the current split, and is decided again', (command) => {
  const one = world()
  const seen = one.state
  one.must(toGreen)
  expect(overtakenRefusal(command, seen, one.state)).toBeNull()
})

test('a change of another service does not matter', () => {
  const one = world()
  const seen = one.state
  one.must(drain, { by: 'test', reason: null, force: true, ifMatch: null })
  expect(overtakenRefusal({ kind: 'rollback', service: 'shop' }, seen, one.state)).toBeNull()
})
