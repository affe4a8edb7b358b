import { setTimeout } from 'node:timers/promises'
import { type Cluster, Redis } from 'ioredis'
import { StoreUnavailable } from '../store.ts'
import { COMMAND_MS, RETRY_MS, redisClient } from './redis-client.ts'
import { BROKEN, CLOSED, explain, isRefusal, NotDone, REFUSED, wasNotSent } from './redis-errors.ts'
import type { RedisSettings } from './redis-settings.ts'
import type { Script } from './script.ts'

/** Entries of a stream: ids and their fields, as a flat list of names and values. */
export type Entries = readonly (readonly [id: string, fields: readonly string[]])[]

/** Max wait of a read of the feed for new entries, ms. */
const BLOCK_MS = 1_000

const NOT_CONNECTED = 'not connected yet'
/** Max time from an error to the end of a connection, ms, within which the error counts as its cause. */
const EXPLAINED_MS = 200

/**
 * Two connections to Redis of any topology: one for commands, and one for blocking reads of the feed. Commands fail at
 * once while there is no connection, and within a second otherwise. In a cluster the client may send a command again,
 * so all commands sent here must be repeatable.
 */
export class RedisConnection {
  readonly #commands: Redis | Cluster
  readonly #feed: Redis | Cluster
  readonly #isReplicated: boolean
  readonly #ready = new Set<() => void>()
  /** The latest error, for people. */
  #problem = NOT_CONNECTED
  #problemAt = 0
  #wasReady = false
  /** Functions that reject the pending calls of each connection. */
  readonly #sent = new Set<(error: Error) => void>()
  readonly #reading = new Set<(error: Error) => void>()
  #isClosed = false

  /** Throws StoreUnusable if a file of `tls` cannot be read. */
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
        // The client would let pending calls wait for their timeout.
        for (const fail of [...waiting]) fail(new Error(CLOSED))
      })
    }
    this.#commands.on('ready', () => {
      this.#wasReady = true
      for (const listener of [...this.#ready]) listener()
    })
  }

  /** Connects, and reconnects until `close`. */
  open(): void {
    for (const each of [this.#commands, this.#feed]) {
      // The client gives up for good if the search for the primary fails in an unforeseen way.
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

  /** The latest error, without addresses or passwords. */
  get problem(): string {
    return this.#problem
  }

  /** Whether Redis refuses the credentials, or the user lacks a right. */
  get isRefused(): boolean {
    return this.#problem.includes(REFUSED)
  }

  /** Whether the topology may have replicas. */
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

  /**
   * Runs a script. Throws NotDone if Redis has certainly not executed it, StoreUnavailable if that is unknown. If Redis does not know
   * the script yet, it is sent again, after later commands, unless it is outdated by then; the result is null then.
   */
  run(
    { sha, lua }: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
    isOutdated: () => boolean = () => false,
  ): Promise<unknown> {
    // One array: a large state has more arguments than a function call may have.
    const rest = [String(keys.length), ...keys, ...args]
    return this.#try(async () => {
      try {
        return await this.#commands.call('EVALSHA', [sha, ...rest])
      } catch (error) {
        if (!(error as Error).message.startsWith('NOSCRIPT')) throw error
        if (isOutdated()) return null
        return this.#commands.call('EVAL', [lua, ...rest])
      }
    })
  }

  /** Sends any other command. Throws as `run` does. */
  command<T>(send: (client: Redis | Cluster) => Promise<T>): Promise<T> {
    return this.#try(() => send(this.#commands))
  }

  /** Number of replicas that have all writes of this connection, after waiting up to `timeoutMs` for the first one. */
  async replicas(key: string, timeoutMs: number): Promise<number> {
    // EXISTS routes the pipeline, and so WAIT, to the node that has the key.
    const replies = await this.#try(() => this.#commands.pipeline().exists(key).wait(1, timeoutMs).exec())
    const [error, count] = replies?.[1] ?? [null, 0]
    return error === null ? Number(count) : 0
  }

  /**
   * Reads entries of streams after the given ids, waiting up to a second for some. Throws if the connection is lost.
   */
  async read(streams: readonly (readonly [key: string, after: string])[]): Promise<ReadonlyMap<string, Entries>> {
    const keys = streams.map(([key]) => key)
    const ids = streams.map(([, after]) => after)
    const read = () => this.#feed.xread('COUNT', 500, 'BLOCK', BLOCK_MS, 'STREAMS', ...keys, ...ids)
    const reply = await unlessClosed(this.#reading, read)
    return new Map((reply ?? []) as [string, Entries][])
  }

  /** Resolves when the feed connection is ready again, or after `COMMAND_MS`. */
  async feedReady(): Promise<void> {
    // The connection may be ready and refuse reads: do not retry in a tight loop.
    await setTimeout(50)
    const until = performance.now() + COMMAND_MS
    while (this.#feed.status !== 'ready' && !this.#isClosed && performance.now() < until) await setTimeout(10)
  }

  /** Replaces connections that do not answer by new ones. */
  reconnect(): void {
    if (this.#isClosed) return
    for (const each of [this.#commands, this.#feed]) {
      // The client would give up for good on a connection that is being made.
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

  /** Records the end of a connection. */
  #closed(): void {
    // The client may have closed it because of the last error, which then explains the end.
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
      // These two errors do not tell the cause.
      if (!notSent && failure.message !== CLOSED) this.#note(failure)
      if (notSent || isRefusal(failure)) throw new NotDone(this.#problem, { cause: error })
      throw new StoreUnavailable(this.#problem, { cause: error })
    }
  }
}

/** Settles as `send` does, or rejects when the connection closes first. */
function unlessClosed<T>(waiting: Set<(error: Error) => void>, send: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    waiting.add(reject)
    send()
      .then(resolve, reject)
      .finally(() => waiting.delete(reject))
  })
}
