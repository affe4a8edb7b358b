import { expect, test } from 'vitest'
import { wholeTable } from '../../src/model/table.ts'
import { definitionOf, NOW_MS, resolved, World } from './support.ts'

test('has every service, pool and server, shares in hundredths of a percent, and resolved settings', () => {
  const source = {
    hosts: ['Shop.Example.com'],
    paths: ['/shop/'],
    stripPrefix: true,
    balance: 'roundRobin',
    pools: {
      blue: { version: '1.4.2', servers: { blue1: { url: 'http://10.0.0.1:9000', weight: 3 } } },
      green: { servers: {} },
    },
    split: { blue: 99.99, green: 0.01 },
    panic: '50%',
    timeouts: { response: '5s' },
    drain: { timeout: '7s', websockets: 'keep' },
    connections: { keepAlive: '1s' },
    retry: { attempts: 3 },
  }
  const world = new World({ shop: resolved(source) })
  const [shop] = wholeTable(world.state, 1).services
  expect(wholeTable(world.state, 1).generation).toBe(1)
  expect(shop).toMatchObject({
    name: 'shop',
    hosts: ['shop.example.com'],
    paths: ['/shop'],
    stripPrefix: true,
    balance: 'roundRobin',
    panic: 50,
    timeouts: { responseMs: 5_000 },
    drain: { timeoutMs: 7_000, websockets: 'keep' },
    connections: { perServer: 0, keepAliveMs: 1_000 },
    retry: { attempts: 3 },
  })
  const blue1 = {
    key: 'shop/blue/blue1=http://10.0.0.1:9000',
    name: 'blue1',
    url: 'http://10.0.0.1:9000',
    weight: 3,
    backup: false,
    maxConnections: 0,
    open: true,
    cutAt: null,
  }
  expect(shop?.pools).toEqual([
    { name: 'blue', version: '1.4.2', share: 9_999, servers: [blue1] },
    { name: 'green', version: 'green', share: 1, servers: [] },
  ])
  expect(structuredClone(wholeTable(world.state, 1))).toEqual(wholeTable(world.state, 1))
})

test('the earlier of two deadlines counts', () => {
  const world = new World({ shop: definitionOf({ blue: 3, green: 1 }, { drain: { timeout: '5s' } }) })
  world.must({ kind: 'server', server: 'blue1', state: 'drain' })
  world.must({ kind: 'switch', service: 'shop', to: 'green', drainMs: 2_000 })
  world.facts = { ...world.facts, nowMs: NOW_MS - 4_000 }
  world.must({ kind: 'server', server: 'blue2', state: 'drain' })
  const cutAt = wholeTable(world.state, 1).services[0]?.pools.map(({ servers }) =>
    servers.map((server) => server.cutAt),
  )
  expect(cutAt).toEqual([[NOW_MS + 2_000, NOW_MS + 1_000, NOW_MS + 2_000], [null]])
})

test('a pool that has traffic again is not cut, but its drained servers are', () => {
  const world = new World({ shop: definitionOf({ blue: 2, green: 1 }, { drain: { timeout: '5s' } }) })
  world.must({ kind: 'server', server: 'blue1', state: 'drain' })
  world.must({ kind: 'switch', service: 'shop', to: 'green', drainMs: 2_000 })
  world.must({ kind: 'rollback', service: 'shop' })
  const cutAt = wholeTable(world.state, 1).services[0]?.pools[0]?.servers.map((server) => server.cutAt)
  expect(cutAt).toEqual([NOW_MS + 5_000, null])
})
