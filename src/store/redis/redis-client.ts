import { readFileSync } from 'node:fs'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { StoreUnusable } from '../store.ts'
import type { RedisSettings, RedisTls } from './redis-settings.ts'

/** Time after which an unanswered command has failed, ms. */
export const COMMAND_MS = 1_000
const CONNECT_MS = 1_000
/**
 * Max pause between two attempts to connect, ms: every instance must be up to date within 2 s of the store's return.
 */
export const RETRY_MS = 400

/**
 * Min time between reconnects after READONLY, ms. A new connection may lead to the new primary, or to a replica again.
 */
const READONLY_RETRY_MS = 1_000

/**
 * Creates a client for any topology of Redis. It never sends a command twice, and does not connect by itself. Throws
 * StoreUnusable if a file of `tls` cannot be read.
 */
export function redisClient({ topology, tls }: RedisSettings, name: string, commandTimeout: number): Redis | Cluster {
  const secure = tls === null ? null : certificates(tls)
  let reconnectedAt = Number.NEGATIVE_INFINITY
  const isReconnectDue = (): boolean => {
    const now = performance.now()
    if (now - reconnectedAt < READONLY_RETRY_MS) return false
    reconnectedAt = now
    return true
  }
  const options: Omit<RedisOptions, 'replyMapping'> = {
    lazyConnect: true,
    connectionName: `cutover-${name}`,
    commandTimeout,
    connectTimeout: CONNECT_MS,
    enableOfflineQueue: false,
    // A write in flight when the connection broke may have been executed: only its sender can find out.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 1,
    keepAlive: 5_000,
    // After a fail-over the old primary answers READONLY: reconnect to find the new one.
    reconnectOnError: ({ message }) => message.startsWith('READONLY') && isReconnectDue(),
    retryStrategy: pause,
    ...(secure === null ? {} : { tls: secure }),
  }
  switch (topology.kind) {
    case 'single':
      return guarded(new Redis(topology.url, options))
    case 'sentinel': {
      const { sentinels, name: group, username, password, sentinelUsername, sentinelPassword } = topology
      const client = new Redis({
        ...options,
        ...given({ username, password, sentinelUsername, sentinelPassword }),
        sentinels: sentinels.map(({ host, port }) => ({ host, port })),
        name: group,
        sentinelRetryStrategy: pause,
        sentinelCommandTimeout: COMMAND_MS,
        failoverDetector: true,
        ...(secure === null ? {} : { enableTLSForSentinelMode: true, sentinelTLS: secure }),
      })
      return guarded(client)
    }
    case 'cluster': {
      const { retryStrategy: _, enableOfflineQueue: __, ...redisOptions } = options
      const { nodes, username, password } = topology
      const cluster = new Cluster([...nodes], {
        lazyConnect: true,
        enableOfflineQueue: false,
        clusterRetryStrategy: pause,
        slotsRefreshTimeout: COMMAND_MS,
        slotsRefreshInterval: 2_000,
        retryDelayOnFailover: 100,
        retryDelayOnClusterDown: 100,
        maxRedirections: 5,
        redisOptions: { ...redisOptions, ...given({ username, password }) },
      })
      return cluster.on('+node', guarded)
    }
  }
}

/**
 * Handles further errors of each stream of a client. ioredis listens to the first one only, and a TLS stream may emit
 * another, which would end the process (seen with certificates that cannot be verified).
 */
function guarded(client: Redis): Redis {
  return client.on('error', () => client.stream?.on('error', () => undefined))
}

function pause(times: number): number {
  return Math.min(RETRY_MS, 25 * 2 ** times) * (0.75 + Math.random() * 0.25)
}

/** Drops undefined values. */
function given(options: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

function certificates({ ca, cert, key }: RedisTls): Record<string, Buffer> {
  const files = Object.entries({ ca, cert, key })
  return Object.fromEntries(
    files.flatMap(([name, file]): [string, Buffer][] => {
      if (file === undefined) return []
      try {
        return [[name, readFileSync(file)]]
      } catch (error) {
        throw new StoreUnusable(`store.tls.${name}: ${file} cannot be read: ${(error as Error).message}`)
      }
    }),
  )
}
