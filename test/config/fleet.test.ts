import { describe, expect, test } from 'vitest'
import { shown } from '../../src/config/shown.ts'
import { configOf, configProblemsOf } from './support.ts'

describe('store.redis', () => {
  test.for<[unknown, unknown]>([
    ['', null],
    ['redis://127.0.0.1:6379', { kind: 'single', url: 'redis://127.0.0.1:6379' }],
    ['rediss://me:secret@r.internal/2', { kind: 'single', url: 'rediss://me:secret@r.internal/2' }],
    [
      { sentinels: ['s1', 's2:5000', '[::1]:26379'], name: 'main', password: 'secret' },
      {
        kind: 'sentinel',
        sentinels: [
          { host: 's1', port: 26_379 },
          { host: 's2', port: 5_000 },
          { host: '::1', port: 26_379 },
        ],
        name: 'main',
        password: 'secret',
      },
    ],
    [
      { cluster: ['r1:7000', 'r2'] },
      {
        kind: 'cluster',
        nodes: [
          { host: 'r1', port: 7_000 },
          { host: 'r2', port: 6_379 },
        ],
      },
    ],
  ])('%j is understood', ([redis, topology]) => {
    expect(configOf({ store: { redis } }).store.redis).toEqual(topology)
  })

  test.for<[unknown, string]>([
    ['http://x', 'store.redis: expected redis:// or rediss://, {sentinels, name} or {cluster}'],
    [{ sentinels: [], name: 'main' }, 'store.redis.sentinels: '],
    [{ sentinels: ['a:b:c'], name: 'main' }, 'store.redis.sentinels[0]: expected a host, or host and port'],
    [{ sentinels: ['a'] }, 'store.redis.name: is missing'],
    [{ cluster: ['r1:0'] }, 'store.redis.cluster[0]: expected a host, or host and port'],
    [{ clustr: ['r1'] }, 'store.redis'],
  ])('%j is refused', ([redis, problem]) => {
    const problems = configProblemsOf({ store: { redis } })
    expect(problems.some((each) => each.startsWith(problem))).toBe(true)
  })

  test('what is refused is not repeated: it may hold a password', () => {
    expect(JSON.stringify(configProblemsOf({ store: { redis: 'http://me:geheim@x' } }))).not.toContain('geheim')
  })
})

test('fleet and configVersion', () => {
  const config = configOf({ fleet: { name: 'edge-1', address: 'http://10.0.0.1:9900' }, configVersion: 7 })
  expect([config.fleet, config.configVersion]).toEqual([
    { name: 'edge-1', address: 'http://10.0.0.1:9900', token: null },
    7,
  ])
  expect(
    configProblemsOf({ fleet: { name: 'a b', address: '10.0.0.1:9900', token: 'short' }, configVersion: 1.5 }),
  ).toEqual([
    expect.stringContaining('configVersion: '),
    expect.stringContaining('fleet.name: expected a name without blanks'),
    expect.stringContaining('fleet.address: expected http://HOST:PORT'),
    expect.stringContaining('fleet.token: expected at least 8 characters'),
  ])
})

test.for<[unknown, string]>([
  ['redis://me:geheim@r:1/2', 'redis://me:(hidden)@r:1/2'],
  ['redis://:gehe@im@r', 'redis://:(hidden)@r'],
  ['redis://r?password=geheim', 'redis://r'],
])('%s is shown as %s', ([redis, url]) => {
  expect(shown(configOf({ store: { redis } }))).toMatchObject({ store: { redis: { url } } })
})

test('no password or token is shown', () => {
  const store = { redis: { sentinels: ['s'], name: 'm', password: 'geheim', sentinelPassword: 'geheim' } }
  const text = JSON.stringify(shown(configOf({ store, fleet: { token: 'geheim-geheim' } })))
  expect(text).not.toContain('geheim')
  expect(text).toContain('(hidden)')
})
