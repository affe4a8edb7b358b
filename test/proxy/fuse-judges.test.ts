import { describe, expect, test } from 'vitest'
import type { FuseSpec } from '../../src/model/rollout/table-rollout.ts'
import type { TableService } from '../../src/model/table.ts'
import { compileService } from '../../src/model/table.ts'
import { Fuse } from '../../src/proxy/routing/fuse.ts'
import { WHOLE_SHARE } from '../../src/proxy/share.ts'
import { Targets } from '../../src/proxy/upstream/targets.ts'
import { definitionOf, World } from '../model/support.ts'

const SPEC: FuseSpec = { windowMs: 10_000, minRequests: 10, errorRate: 0.5, stableMax: 0.1 }

interface Setting extends Partial<FuseSpec> {
  /** Share of the canary in percent. */
  readonly percent?: number
  readonly health?: 'up' | 'down' | 'ejected'
  readonly edit?: (table: TableService) => TableService
}

/** A fuse, and functions that let answers come from the two pools at a time. */
function setUp({ percent = 5, health = 'up', edit = (table) => table, ...spec }: Setting = {}) {
  const world = new World({ shop: definitionOf({ blue: 2, green: 1 }, { health: 'off' }) })
  world.must({ kind: 'split', service: 'shop', split: { blue: 100 - percent, green: percent } })
  const rollout = { id: 'r1', from: 'blue', to: 'green', fuse: { ...SPEC, ...spec } }
  const table = edit({ ...compileService(world.service()), rollout })
  const targets = new Targets({ onIdle: () => undefined }, WHOLE_SHARE)
  targets.apply([table], [], 0)
  targets.setHealth(table.pools.flatMap(({ servers }) => servers.map(({ key }) => [key, health] as const)))
  let trips = 0
  const fuse = new Fuse(table, rollout, rollout.fuse, targets, () => trips++)
  const answer =
    (pool: string) =>
    (ok: number, failed: number, at = 1_000): void => {
      for (let i = 0; i < ok; i++) fuse.counterOf(pool)?.tried(true, at)
      for (let i = 0; i < failed; i++) fuse.counterOf(pool)?.tried(false, at)
    }
  return { fuse, canary: answer('green'), stable: answer('blue'), trips: () => trips }
}

const standby = (table: TableService): TableService => ({
  ...table,
  pools: table.pools.map((pool) =>
    pool.name === 'blue'
      ? { ...pool, servers: pool.servers.map((each) => ({ ...each, standby: true as const })) }
      : pool,
  ),
})

describe('the canary', () => {
  test('with 10 answers of which 5 have failed trips it, with fewer of either it does not', () => {
    const { canary, fuse, trips } = setUp()
    canary(5, 4)
    expect(fuse.trip).toBeNull()
    canary(0, 1)
    expect(fuse.trip).toEqual({
      service: 'shop',
      rollout: 'r1',
      canary: { answers: 10, failures: 5, unreachable: 0 },
      stable: { answers: 0, failures: 0, unreachable: 0 },
    })
    canary(0, 100)
    expect([fuse.trip?.canary.answers, trips()]).toEqual([10, 1])
    for (const [ok, failed] of [
      [0, 9],
      [6, 5],
      [500, 499],
    ] as const) {
      const other = setUp()
      other.canary(ok, failed)
      expect(other.fuse.trip).toBeNull()
    }
  })

  test.for([0.01, 0.07, 0.1, 0.29, 0.3, 0.57, 0.7, 1])('trips it at a rate of exactly %d', (errorRate) => {
    const failed = Math.round(errorRate * 100)
    const below = setUp({ errorRate, minRequests: 100 })
    below.canary(101 - failed, failed - 1)
    below.canary(0, 1)
    const at = setUp({ errorRate, minRequests: 100 })
    at.canary(100 - failed, failed)
    expect([below.trips(), at.trips()]).toEqual([0, 1])
  })

  test('is judged by the window: failures that are too old do not count', () => {
    const { canary, trips } = setUp()
    canary(0, 9, 1_000)
    canary(0, 9, 11_500)
    expect(trips()).toBe(0)
    canary(0, 1, 12_000)
    expect(trips()).toBe(1)
  })

  test('is let off by no other pool', () => {
    const { fuse } = setUp()
    expect(fuse.counterOf('red')).toBeNull()
  })
})

describe('the stable pool', () => {
  test.for([
    [91, 9, 1],
    [90, 10, 0],
    [0, 1, 0],
    [1, 0, 1],
    [0, 0, 1],
  ] as const)('with %i answers and %i failures: %i', ([ok, failed, expected]) => {
    const { stable, canary, trips } = setUp()
    stable(ok, failed)
    canary(0, 10)
    expect(trips()).toBe(expected)
  })

  test('that has failed and works again lets it trip once its failures are too old', () => {
    const { stable, canary, trips } = setUp()
    stable(0, 10, 1_000)
    canary(0, 10, 1_000)
    stable(10, 0, 9_000)
    canary(0, 10, 9_000)
    expect(trips()).toBe(0)
    canary(0, 1, 11_000)
    expect(trips()).toBe(1)
  })

  test.for(['down', 'ejected'] as const)('whose servers are %s keeps it from tripping', (health) => {
    for (const percent of [5, 100]) {
      const { canary, stable, trips } = setUp({ health, percent, edit: standby })
      stable(100, 0)
      canary(0, 100)
      expect(trips()).toBe(0)
    }
  })

  test('without a share is judged by its health, whatever it has answered', () => {
    const { canary, stable, trips } = setUp({ percent: 100, edit: standby })
    stable(0, 10)
    canary(0, 10)
    expect(trips()).toBe(1)
  })

  test('whose servers would take nothing even with a share keeps it from tripping', () => {
    const { canary, trips } = setUp({ percent: 100 })
    canary(0, 100)
    expect(trips()).toBe(0)
  })
})
