import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { StoreUnavailable, StoreUnusable } from '../store.ts'

/** TLS beside what `rediss://` says: files in PEM. */
export interface RedisTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

export interface RedisNode {
  readonly host: string
  readonly port: number
}

export interface RedisCredentials {
  readonly username?: string
  readonly password?: string
}

/** Where the state of a fleet lives. */
export type RedisTopology =
  | { readonly kind: 'single'; readonly url: string }
  | ({
      readonly kind: 'sentinel'
      readonly sentinels: readonly RedisNode[]
      readonly name: string
      readonly sentinelUsername?: string
      readonly sentinelPassword?: string
    } & RedisCredentials)
  | ({ readonly kind: 'cluster'; readonly nodes: readonly RedisNode[] } & RedisCredentials)

export interface RedisSettings {
  readonly topology: RedisTopology
  /** null = without, or as the URL says. */
  readonly tls: RedisTls | null
}

/** A Lua script, by what it is called and what it says. */
export interface Script {
  readonly lua: string
  readonly sha: string
}

/** What a stream has to say: ids and their fields. */
export type Entries = readonly (readonly [id: string, fields: readonly string[]])[]

/** After this, a command that has not been answered has failed. */
export const COMMAND_MS = 1_000
const CONNECT_MS = 1_000
/** The longest pause between two tries to connect: every instance is to be current within 2 s of the store's return. */
const RETRY_MS = 400
/** How long a read of the feed waits for something to happen. */
const BLOCK_MS = 1_000

/** Errors by which Redis says that it has not carried a command out: none of them comes after a script's first write. */
const NOT_DONE =
  /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|OOM|MISCONF|NOAUTH|NOPERM|WRONGPASS|BUSY|MOVED|ASK|CROSSSLOT|UNKNOWN)/

const NOT_CONNECTED = 'not connected yet'
/** An error so shortly before the end of a connection is the reason for it. */
const EXPLAINED_MS = 200
const BROKEN = 'the connection to Redis broke'
const CLOSED = 'Connection is closed.'

/** Reads a script that lies beside this file. */
export function script(file: string): Script {
  const lua = readFileSync(new URL(`lua/${file}`, import.meta.url), 'utf8')
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

/**
 * Two connections to Redis, whatever its topology: one for commands, and one that waits for what happens. Commands fail
 * at once while there is none, and within a second otherwise; what was sent is never sent again behind our back.
 */
export class RedisConnection {
  readonly #commands: Redis | Cluster
  readonly #feed: Redis | Cluster
  readonly #isReplicated: boolean
  readonly #ready = new Set<() => void>()
  /** What went wrong last. */
  #problem = NOT_CONNECTED
  #problemAt = 0
  #wasReady = false
  /** What is waited for on either connection, by how it is made to fail. */
  readonly #sent = new Set<(error: Error) => void>()
  readonly #reading = new Set<(error: Error) => void>()
  #isClosed = false

  /** Throws StoreUnusable when a file of `tls` cannot be read. */
  constructor(settings: RedisSettings) {
    this.#isReplicated = settings.topology.kind !== 'single'
    this.#commands = client(settings, 'commands', COMMAND_MS)
    this.#feed = client(settings, 'feed', BLOCK_MS + COMMAND_MS)
    for (const each of [this.#commands, this.#feed]) {
      each.on('error', (error: Error) => {
        this.#note(error)
      })
    }
    for (const [each, waiting] of [
      [this.#commands, this.#sent],
      [this.#feed, this.#reading],
    ] as const) {
      each.on('close', () => {
        if (each === this.#commands) this.#closed()
        // The client leaves what was sent to its timeout.
        for (const fail of [...waiting]) fail(new Error(CLOSED))
      })
    }
    this.#commands.on('ready', () => {
      this.#wasReady = true
      for (const listener of [...this.#ready]) listener()
    })
  }

  /** Begins to connect, and goes on with it until `close`. */
  open(): void {
    for (const each of [this.#commands, this.#feed]) {
      each.connect().catch((error: Error) => {
        this.#note(error)
      })
    }
  }

  get isReady(): boolean {
    return this.#commands.status === 'ready'
  }

  /** What went wrong last, without addresses or passwords. */
  get problem(): string {
    return this.#problem
  }

  /** Whether it makes sense to ask for replicas. */
  get isReplicated(): boolean {
    return this.#isReplicated
  }

  onReady(listener: () => void): void {
    this.#ready.add(listener)
  }

  /** Resolves when commands can be sent, or after `timeoutMs`. */
  ready(timeoutMs: number): Promise<boolean> {
    if (this.isReady) return Promise.resolve(true)
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        this.#ready.delete(end)
        resolve(this.isReady)
      }
      const timer = globalThis.setTimeout(end, Math.max(0, timeoutMs))
      this.#ready.add(end)
    })
  }

  /** Runs a script. Throws NotDone when Redis has certainly not carried it out, and StoreUnavailable when that is open. */
  run({ sha, lua }: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    const rest = [...keys, ...args]
    return this.#try(async () => {
      try {
        return await this.#commands.evalsha(sha, keys.length, ...rest)
      } catch (error) {
        if (!(error as Error).message.startsWith('NOSCRIPT')) throw error
        return this.#commands.eval(lua, keys.length, ...rest)
      }
    })
  }

  /** Any other command. Throws as `run` does. */
  command<T>(send: (client: Redis | Cluster) => Promise<T>): Promise<T> {
    return this.#try(() => send(this.#commands))
  }

  /** How many replicas have all that was written through this connection, waiting up to `timeoutMs` for the first one. */
  async replicas(key: string, timeoutMs: number): Promise<number> {
    // The first command takes the second one to the node that has the key.
    const replies = await this.#try(() => this.#commands.pipeline().exists(key).wait(1, timeoutMs).exec())
    const [error, count] = replies?.[1] ?? [null, 0]
    return error === null ? Number(count) : 0
  }

  /** What has come into streams after the ids given, waiting a second for it. Throws when the connection is lost. */
  async read(streams: readonly (readonly [key: string, after: string])[]): Promise<ReadonlyMap<string, Entries>> {
    const keys = streams.map(([key]) => key)
    const ids = streams.map(([, after]) => after)
    const read = () => this.#feed.xread('COUNT', 500, 'BLOCK', BLOCK_MS, 'STREAMS', ...keys, ...ids)
    const reply = await unlessClosed(this.#reading, read)
    return new Map((reply ?? []) as [string, Entries][])
  }

  /** Resolves when it makes sense to read again. */
  async feedReady(): Promise<void> {
    // It may be there and refuse.
    await setTimeout(50)
    const until = performance.now() + COMMAND_MS
    while (this.#feed.status !== 'ready' && !this.#isClosed && performance.now() < until) await setTimeout(10)
  }

  /** Drops the connections and makes new ones: those there are do not answer. */
  reconnect(): void {
    if (this.#isClosed) return
    for (const each of [this.#commands, this.#feed]) {
      if (each instanceof Redis) each.disconnect(true)
      else for (const node of each.nodes('all')) node.disconnect(true)
    }
  }

  close(): void {
    this.#isClosed = true
    this.#commands.disconnect()
    this.#feed.disconnect()
  }

  #note(error: Error): void {
    this.#problem = explain(error)
    this.#problemAt = performance.now()
  }

  /** A connection that was there is not any more. */
  #closed(): void {
    // It may be the client that has hung up, because of what it was told.
    const isExplained = performance.now() - this.#problemAt < EXPLAINED_MS
    if (this.#wasReady && !isExplained) this.#problem = BROKEN
    this.#wasReady = false
  }

  async #try<T>(send: () => Promise<T>): Promise<T> {
    if (!this.isReady) throw new NotDone(this.#problem)
    try {
      return await unlessClosed(this.#sent, send)
    } catch (error) {
      const { message } = error as Error
      const notSent = message.startsWith("Stream isn't writeable") || message.includes('enableOfflineQueue')
      // That it was not sent, or that there is no connection any more, says nothing of why.
      if (!notSent && message !== CLOSED) this.#note(error as Error)
      if (notSent || NOT_DONE.test(message)) throw new NotDone(this.#problem, { cause: error })
      throw new StoreUnavailable(this.#problem, { cause: error })
    }
  }
}

/** What `send` brings, or an error when the connection is closed meanwhile. */
function unlessClosed<T>(waiting: Set<(error: Error) => void>, send: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    waiting.add(reject)
    send()
      .then(resolve, reject)
      .finally(() => waiting.delete(reject))
  })
}

/** The store is out of reach, and certainly has not done what it was asked for. */
export class NotDone extends StoreUnavailable {}

function client({ topology, tls }: RedisSettings, name: string, commandTimeout: number): Redis | Cluster {
  const secure = tls === null ? null : certificates(tls)
  const options: Omit<RedisOptions, 'replyMapping'> = {
    lazyConnect: true,
    connectionName: `cutover-${name}`,
    commandTimeout,
    connectTimeout: CONNECT_MS,
    enableOfflineQueue: false,
    // A write that was in flight when the connection broke may have been carried out: only its sender can tell.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 1,
    keepAlive: 5_000,
    // After a fail-over the old primary answers READONLY: the new one has to be found.
    reconnectOnError: ({ message }) => message.startsWith('READONLY'),
    retryStrategy: pause,
    ...(secure === null ? {} : { tls: secure }),
  }
  switch (topology.kind) {
    case 'single':
      return new Redis(topology.url, options)
    case 'sentinel': {
      const { sentinels, name: group, username, password, sentinelUsername, sentinelPassword } = topology
      return new Redis({
        ...options,
        ...given({ username, password, sentinelUsername, sentinelPassword }),
        sentinels: sentinels.map(({ host, port }) => ({ host, port })),
        name: group,
        sentinelRetryStrategy: pause,
        sentinelCommandTimeout: COMMAND_MS,
        failoverDetector: true,
        ...(secure === null ? {} : { enableTLSForSentinelMode: true, sentinelTLS: secure }),
      })
    }
    case 'cluster': {
      const { retryStrategy: _, enableOfflineQueue: __, ...redisOptions } = options
      const { nodes, username, password } = topology
      return new Cluster([...nodes], {
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
    }
  }
}

function pause(times: number): number {
  return Math.min(RETRY_MS, 25 * 2 ** times) * (0.75 + Math.random() * 0.25)
}

/** What is set of them. */
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

/** An error of the client or of Redis for people who may not be told where Redis is. */
function explain(error: Error & { code?: string }): string {
  const { message, code } = error
  if (message === 'Command timed out') return 'Redis does not answer'
  if (message === CLOSED) return BROKEN
  if (message.startsWith('Too many Cluster redirections')) return 'the cluster is down, or its slots are moving'
  if (message.startsWith('Failed to refresh slots')) return 'no node of the cluster answers, or takes our credentials'
  if (message.includes("can't run this command"))
    return `Redis refuses our credentials (${message.split(' script:')[0]})`
  if (message.startsWith("Stream isn't writeable")) return 'Redis cannot be reached'
  if (message.startsWith('READONLY')) return 'Redis is read-only: this is a replica'
  if (message.startsWith('All sentinels are unreachable'))
    return 'no sentinel can be reached, or none knows the primary'
  if (/^(WRONGPASS|NOAUTH|NOPERM)|ERR AUTH/.test(message))
    return `Redis refuses our credentials (${message.split(' ')[0]})`
  if (code === 'ECONNREFUSED') return 'Redis refuses connections'
  if (code !== undefined) return `Redis cannot be reached (${code})`
  return message.replaceAll(/\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b/g, '…')
}
