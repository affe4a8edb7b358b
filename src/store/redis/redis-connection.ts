import { setTimeout } from 'node:timers/promises'
import { type Cluster, Redis } from 'ioredis'
import { StoreUnavailable } from '../store.ts'
import { COMMAND_MS, RETRY_MS, redisClient } from './redis-client.ts'
import { BROKEN, CLOSED, explain, isRefusal, NotDone, REFUSED, wasNotSent } from './redis-errors.ts'
import type { RedisSettings } from './redis-settings.ts'
import type { Script } from './script.ts'

/** What a stream has to say: ids and their fields. */
export type Entries = readonly (readonly [id: string, fields: readonly string[]])[]

/** How long a read of the feed waits for something to happen. */
const BLOCK_MS = 1_000

const NOT_CONNECTED = 'not connected yet'
/** An error so shortly before the end of a connection is the reason for it. */
const EXPLAINED_MS = 200

/**
 * Two connections to Redis, whatever its topology: one for commands, and one that waits for what happens. Commands fail
 * at once while there is none, and within a second otherwise. (In a cluster the client may send one again: what is sent here
 * may be.)
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
    this.#commands = redisClient(settings, 'commands', COMMAND_MS)
    this.#feed = redisClient(settings, 'feed', BLOCK_MS + COMMAND_MS)
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
      // The client gives up for good when looking for the primary fails in an unforeseen way.
      each.on('end', () => void this.#connectLater(each))
      this.#connect(each)
    }
  }

  #connect(each: Redis | Cluster): void {
    each.connect().catch((error: Error) => {
      if (error.message !== CLOSED) this.#note(error)
    })
  }

  async #connectLater(each: Redis | Cluster): Promise<void> {
    await setTimeout(RETRY_MS, undefined, { ref: false })
    if (!this.#isClosed && each.status === 'end') this.#connect(each)
  }

  get isReady(): boolean {
    return this.#commands.status === 'ready'
  }

  /** What went wrong last, without addresses or passwords. */
  get problem(): string {
    return this.#problem
  }

  /** Whether Redis does not let us in, or not do what we have to. */
  get isRefused(): boolean {
    return this.#problem.includes(REFUSED)
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
    // As one list: a large state has more arguments than a call may have.
    const rest = [String(keys.length), ...keys, ...args]
    return this.#try(async () => {
      try {
        return await this.#commands.call('EVALSHA', [sha, ...rest])
      } catch (error) {
        if (!(error as Error).message.startsWith('NOSCRIPT')) throw error
        return this.#commands.call('EVAL', [lua, ...rest])
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
      // One that is just being made must be left alone: the client would give it up for good.
      if (each.status !== 'ready') continue
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
      const failure = error as Error
      const notSent = wasNotSent(failure)
      // That it was not sent, or that there is no connection any more, says nothing of why.
      if (!notSent && failure.message !== CLOSED) this.#note(failure)
      if (notSent || isRefusal(failure)) throw new NotDone(this.#problem, { cause: error })
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
