import { expect, test } from 'vitest'
import { Lineage } from '../../src/control/fleet/lineage.ts'
import { Generations } from '../../src/control/generations.ts'
import { EMPTY_DOCUMENTS } from '../../src/model/state.ts'

test('a lost state and its successors are not ancestors of the current one', () => {
  const lineage = new Lineage()
  for (const revision of [1, 2, 3, 4]) lineage.add({ revision, head: `a${revision}` })
  expect(lineage.has({ revision: 2, head: 'a2' })).toBe(true)
  // A failover: from 4 back to 2, and on from there.
  lineage.add({ revision: 2, head: 'a2' })
  expect([3, 4].map((revision) => lineage.has({ revision, head: `a${revision}` }))).toEqual([false, false])
  lineage.add({ revision: 3, head: 'b3' })
  expect(lineage.nameOf(3)).toEqual({ revision: 3, head: 'b3' })
  expect(lineage.has({ revision: 3, head: 'a3' })).toBe(false)
  expect(lineage.nameOf(4)).toBeNull()
})

test('the number of remembered states is limited', () => {
  const lineage = new Lineage()
  for (let revision = 1; revision <= 1_500; revision++) lineage.add({ revision, head: `${revision}` })
  expect(lineage.nameOf(500)).toBeNull()
  expect(lineage.nameOf(501)).not.toBeNull()
})

test('a table belongs to the state it was made from, even when the revision goes back', () => {
  const generations = new Generations()
  const state = (revision: number, head: string) => ({ ...EMPTY_DOCUMENTS, services: {}, revision, head })
  generations.begin(state(1, 'a1'), [])
  generations.begin(state(2, 'a2'), [])
  generations.begin(state(1, 'a1'), [])
  expect([1, 2, 3].map((generation) => generations.stateOf(generation)?.head)).toEqual(['a1', 'a2', 'a1'])
  generations.applied(3)
  expect(generations.stateOf(2)).toBeNull()
  expect(generations.stateOf(3)).toEqual({ revision: 1, head: 'a1' })
  expect(generations.stateOf(-1)).toBeNull()
})

test('tables with overrides count until a later one without is in force in all proxies', () => {
  const generations = new Generations()
  const state = { revision: 1, head: 'a1' }
  generations.begin(state, [])
  generations.applied(1)
  expect(generations.areOverridden).toBe(false)
  generations.begin(state, [], true)
  expect(generations.areOverridden).toBe(true)
  generations.begin(state, [])
  generations.applied(2)
  expect(generations.areOverridden).toBe(true)
  generations.applied(3)
  expect(generations.areOverridden).toBe(false)
})
