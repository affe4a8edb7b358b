import { expect, test } from 'vitest'
import type { KnownHealth } from '../../src/model/messages.ts'
import { compileService } from '../../src/model/table.ts'
import { ServiceRoute } from '../../src/proxy/routing/service-route.ts'
import { WHOLE_SHARE } from '../../src/proxy/share.ts'
import { Targets } from '../../src/proxy/upstream/targets.ts'
import { Counters } from '../../src/telemetry/counters.ts'
import { definitionOf, World } from '../model/support.ts'

const SLOW_START_MS = 100_000

/** A route whose servers `blue1`, `blue2`, … have taken requests for so long; undefined = not in slow start. */
function routeOf(times: readonly (number | undefined)[], rest: object = {}): ServiceRoute {
  const definition = definitionOf({ blue: times.length }, { slowStart: '100s', balance: 'roundRobin', ...rest })
  const table = compileService(new World({ shop: definition }).service())
  const targets = new Targets({ onIdle: () => undefined }, WHOLE_SHARE)
  targets.apply([table], [], 0)
  const servers = table.pools[0]?.servers ?? []
  targets.setHealth(
    servers.map(({ key }, i): KnownHealth[number] => {
      const takesForMs = times[i]
      return takesForMs === undefined ? [key, 'up'] : [key, 'up', takesForMs]
    }),
  )
  return new ServiceRoute(table, targets, new Counters(), { count: 0, max: 0, share: WHOLE_SHARE }, undefined)
}

/** Number of requests by server, of 1,000 that come `afterMs` from now. */
function counts(route: ServiceRoute, afterMs: number): Readonly<Record<string, number>> {
  const now = performance.now() + afterMs
  const byServer: Record<string, number> = {}
  for (let i = 0; i < 1_000; i++) {
    const name = route.choose(null, now)?.target?.name ?? 'none'
    byServer[name] = (byServer[name] ?? 0) + 1
  }
  return byServer
}

test('the weight of a server grows from 10 % to all of it', () => {
  const route = routeOf([undefined, 0])
  expect(counts(route, 0).blue2).toBeCloseTo((1_000 * 0.1) / 1.1, -1)
  expect(counts(route, SLOW_START_MS / 2).blue2).toBeCloseTo((1_000 * 0.55) / 1.55, -1)
  expect(counts(route, SLOW_START_MS).blue2).toBeCloseTo(500, -1)
})

test('a server that was in slow start before goes on where it was', () => {
  expect(counts(routeOf([undefined, SLOW_START_MS / 2]), 0).blue2).toBeCloseTo((1_000 * 0.55) / 1.55, -1)
  expect(counts(routeOf([undefined, SLOW_START_MS * 2]), 0).blue2).toBeCloseTo(500, -1)
})

test('servers that come up together have their shares from the beginning', () => {
  const { blue1, blue2, blue3 } = counts(routeOf([0, 0, 0]), 10)
  for (const count of [blue1, blue2, blue3]) expect(Math.abs((count ?? 0) - 333)).toBeLessThanOrEqual(1)
})

test.for(['leastRequest', 'hash:ip'])('with balance %s as well', (balance) => {
  const { blue2 = 0 } = counts(routeOf([undefined, 0], { balance }), 0)
  expect(blue2).toBeGreaterThan(50)
  expect(blue2).toBeLessThan(140)
})
