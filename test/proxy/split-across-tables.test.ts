import { expect, test } from 'vitest'
import type { TableService } from '../../src/model/table.ts'
import { compileService } from '../../src/model/table.ts'
import { ServiceRoute } from '../../src/proxy/routing/service-route.ts'
import { WHOLE_SHARE } from '../../src/proxy/share.ts'
import { Targets } from '../../src/proxy/upstream/targets.ts'
import { Counters } from '../../src/telemetry/counters.ts'
import { definitionOf, World } from '../model/support.ts'

const NONE_HELD = { count: 0, max: 0, share: WHOLE_SHARE }

/** Puts a table in force whose servers are all up. */
function put(targets: Targets, table: TableService): void {
  targets.apply([table], [], 0)
  targets.setHealth(table.pools.flatMap(({ servers }) => servers.map(({ key }) => [key, 'up'] as const)))
}

test('shares stay exact however often a table comes that leaves them as they are', () => {
  const world = new World({ shop: definitionOf({ blue: 1, green: 1 }, { health: 'off' }) })
  world.must({ kind: 'split', service: 'shop', split: { blue: 95, green: 5 } })
  const targets = new Targets({ onIdle: () => undefined }, WHOLE_SHARE)
  const counters = new Counters()
  const counts = new Map<string, number>()
  let route: ServiceRoute | undefined
  for (let i = 0; i < 10_000; i++) {
    // A table with every third request: fewer than it takes until the turn of green comes.
    if (i % 3 === 0) {
      world.must({ kind: 'server', server: 'blue1', weight: 1 + (i % 2) })
      const table = compileService(world.service())
      put(targets, table)
      route = new ServiceRoute(table, targets, counters, NONE_HELD, route)
    }
    const name = route?.choose(null, 0)?.pool.name ?? 'none'
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  expect(counts.get('blue')).toBeCloseTo(9_500, -1)
  expect(counts.get('green')).toBeCloseTo(500, -1)
})

test('a table with other shares begins anew', () => {
  const world = new World({ shop: definitionOf({ blue: 1, green: 1 }, { health: 'off' }) })
  const targets = new Targets({ onIdle: () => undefined }, WHOLE_SHARE)
  const counters = new Counters()
  const routeOf = (previous: ServiceRoute | undefined): ServiceRoute => {
    const table = compileService(world.service())
    put(targets, table)
    return new ServiceRoute(table, targets, counters, NONE_HELD, previous)
  }
  world.must({ kind: 'split', service: 'shop', split: { blue: 50, green: 50 } })
  const before = routeOf(undefined)
  before.choose(null, 0)
  world.must({ kind: 'split', service: 'shop', split: { blue: 99, green: 1 } })
  const after = routeOf(before)
  const names = Array.from({ length: 100 }, () => after.choose(null, 0)?.pool.name)
  expect(names.filter((name) => name === 'green')).toHaveLength(1)
})

test('requests count for the decision that has sent them, even if another one is in force when they end', () => {
  const world = new World({ shop: definitionOf({ blue: 1, green: 1 }, { health: 'off' }) })
  const targets = new Targets({ onIdle: () => undefined }, WHOLE_SHARE)
  const counters = new Counters()
  const decide = (split: Record<string, number>, previous?: ServiceRoute): ServiceRoute => {
    world.must({ kind: 'split', service: 'shop', split })
    const table = compileService(world.service())
    put(targets, table)
    return new ServiceRoute(table, targets, counters, NONE_HELD, previous)
  }
  const before = decide({ blue: 50, green: 50 })
  const early = [1, 2].map(() => before.choose(null, 0))
  const after = decide({ blue: 95, green: 5 }, before)
  const late = after.choose(null, 0)
  for (const choice of [...early, late]) choice?.pool.rowOf(choice.target).ended(200, 1, 'ok')
  const decisions = world.service().decisions.map(({ revision }) => revision)
  const rows = counters
    .report(false)
    .rows.map(({ pool, decision, server, counts }) => [decision, pool, server, counts[0]])
  expect(rows).toEqual([
    [decisions.at(-2), 'blue', 'blue1', 1],
    [decisions.at(-2), 'green', 'green1', 1],
    [decisions.at(-1), 'blue', 'blue1', 1],
  ])
})
