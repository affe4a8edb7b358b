import { expect, test } from 'vitest'
import { byUrgency, type Level, levelOf, remarksOf } from '../../dashboard/src/live/standing.ts'
import type { Pool, Server, Service, ServiceStats } from '../../src/client/create-client.ts'

type Part<T> = { readonly [K in keyof T]?: unknown }

function server(given: Part<Server> = {}): Part<Server> {
  return { state: 'ready', health: 'up', inFlight: 0, ...given }
}

function pool(name: string, share: number, servers: readonly Part<Server>[]): Part<Pool> {
  const up = servers.filter(({ state, health }) => state === 'ready' && health === 'up').length
  return { name, share, servers, up }
}

/** What is said of a service: blue has all requests and two servers that are up, unless `given` says otherwise. */
function said(given: Part<Service> = {}, errorRate: number | null = null): readonly string[] {
  const service = { mode: 'serving', pools: [pool('blue', 100, [server(), server()])], ...given }
  const stats = { errorRate } as unknown as ServiceStats
  return remarksOf(service as unknown as Service, stats).map(({ level, text }) => `${level}: ${text}`)
}

test('nothing is said of a service that is well', () => {
  expect(said()).toEqual([])
  expect(said({}, 0.004)).toEqual([])
  expect(remarksOf({ mode: 'serving', pools: [] } as unknown as Service, undefined)).toEqual([])
})

test('servers that are down are a warning in a pool with requests, and all of them a fault', () => {
  const down = server({ health: 'down' })
  expect(said({ pools: [pool('blue', 100, [server(), down])] })).toEqual(['warn: blue: 1 server of 2 down'])
  expect(said({ pools: [pool('blue', 100, [server(), server({ health: 'ejected' })])] })).toHaveLength(1)
  expect(said({ pools: [pool('blue', 100, [down, down])] })).toEqual(['bad: blue: no server is up'])
  expect(said({ pools: [pool('blue', 0, [down, down])] })).toEqual(['info: blue: 2 servers of 2 down'])
})

test('a server that drains is told while requests are left; one that is drained is no matter', () => {
  expect(said({ pools: [pool('blue', 100, [server(), server({ state: 'drain', inFlight: 3 })])] })).toEqual([
    'info: 1 server draining',
  ])
  expect(said({ pools: [pool('blue', 100, [server(), server({ state: 'drain' })])] })).toEqual([])
})

test('errors are a warning from 0.5 %, and a fault from 5 %', () => {
  expect(said({}, 0.005)).toEqual(['warn: 0.50 % of the requests fail'])
  expect(said({}, 0.05)).toEqual(['bad: 5.0 % of the requests fail'])
})

test('the worst comes first', () => {
  const freeze = { by: 'ops' }
  expect(said({ mode: 'stopped', freeze, overrides: [{}] }, 0.01)).toEqual([
    'bad: stopped: requests are refused',
    'warn: 1.0 % of the requests fail',
    'warn: 1 instance with overrides',
    'info: frozen by ops',
  ])
})

test('a rollout that runs is told, one that has ended is not', () => {
  const rollout = { to: 'green', state: 'Progressing', reason: null, weight: 5 }
  expect(said({ rollout })).toEqual(['info: rollout to green: Progressing, 5 %'])
  expect(said({ rollout: { ...rollout, state: 'Paused', reason: 'NoTraffic' } })).toEqual([
    'warn: rollout to green: Paused (NoTraffic), 5 %',
  ])
  expect(said({ rollout: { ...rollout, state: 'Aborted' } })).toEqual([])
})

test('services with problems come first; a rollout or a freeze is no reason to change places', () => {
  const rows: { name: string; level: Level }[] = [
    { name: 'shop-10', level: 'ok' },
    { name: 'shop-2', level: 'info' },
    { name: 'mail', level: 'warn' },
    { name: 'zoo', level: 'bad' },
  ]
  expect(rows.sort(byUrgency).map(({ name }) => name)).toEqual(['zoo', 'mail', 'shop-2', 'shop-10'])
  expect(levelOf([])).toBe('ok')
})
