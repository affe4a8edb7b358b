import type { UpstreamProcess } from './upstream-process.ts'

/** The servers of `steady`, by pool. `blue3` listens, and is added and removed while the load goes on. */
export const STEADY_POOLS = { blue: ['blue1', 'blue2'], green: ['green1', 'green2'] } as const
export const EXTRA_SERVER = 'blue3'
export const STEADY_SERVERS: readonly string[] = [...STEADY_POOLS.blue, ...STEADY_POOLS.green, EXTRA_SERVER]
/** A process each. */
export const ROUGH_SERVERS = ['rough1', 'rough2', 'rough3', 'rough4'] as const

const HEALTH = { interval: '250ms' }
/** Short, so that idle connections have gone soon after the load has. */
const CONNECTIONS = { keepAlive: '1s' }

/** The `proxy` section. */
export const PROXY = { timeouts: { keepAlive: '2s' }, accessLog: { sample: 0.02 } }

/** The `services` section. */
export function services(steady: UpstreamProcess, rough: readonly UpstreamProcess[]): object {
  const pool = (names: readonly string[]) => ({
    servers: Object.fromEntries(names.map((name) => [name, urlOf(steady, name)])),
  })
  return {
    // Nothing is tried again: a request that goes where it should not shows.
    steady: {
      hosts: ['steady.test'],
      pools: { blue: pool(STEADY_POOLS.blue), green: pool(STEADY_POOLS.green) },
      split: { blue: 100 },
      health: HEALTH,
      connections: CONNECTIONS,
      retry: { attempts: 1 },
    },
    rough: {
      hosts: ['rough.test'],
      pools: { main: { servers: Object.fromEntries(ROUGH_SERVERS.map((name, i) => [name, urlOf(rough[i], name)])) } },
      health: HEALTH,
      connections: CONNECTIONS,
      passive: { maxFails: 4, failTimeout: '1s' },
      // Longer than anything takes on a busy machine: only a server that stalls on purpose takes so long.
      timeouts: { response: '6s', idle: '6s' },
    },
  }
}

export function urlOf(upstream: UpstreamProcess | undefined, name: string): string {
  return `http://127.0.0.1:${upstream?.ports[name]}`
}
