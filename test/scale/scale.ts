import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { TickRow } from '../../src/model/messages.ts'
import { StoreUnavailable, StoreUnusable } from '../../src/store/store.ts'
import { Figure, Figures } from '../../src/telemetry/ticks/figures.ts'
import type { TickHistory } from '../../src/telemetry/ticks/tick-history.ts'
import { next } from '../store/redis-support.ts'
import { RedisServer } from '../support/redis.ts'
import { SimulatedInstance } from './simulated-instance.ts'

export interface ScaleOptions {
  readonly instances: number
  readonly seconds: number
  /** Servers with requests in each second, at every instance. */
  readonly servers: number
  readonly signal: AbortSignal
  readonly onProgress: (text: string) => void
}

export interface ScaleResult {
  readonly instances: number
  readonly servers: number
  /** Changes that were made, one a second. */
  readonly changes: number
  /** Milliseconds from a change until the instance that has made it knows that every other one has it in force. */
  readonly acknowledgedMs: { readonly p50: number; readonly p99: number; readonly max: number }
  /** CPU of Redis, percent of one core: without changes, and with one a second. */
  readonly redisCpuPercent: { readonly idle: number; readonly changing: number }
  readonly redisMemoryBytes: number
  /** What Redis received and sent, bytes a second, with one change a second. */
  readonly redisBytes: { readonly received: number; readonly sent: number }
  /** CPU of an instance, percent of one core. */
  readonly instanceCpuPercent: number
  readonly instanceMemoryBytes: number
  /** Seconds for which every instance has the same sum of all ticks, out of those that were compared. */
  readonly equalSeconds: readonly [equal: number, compared: number]
}

/** Time in which every instance has started and learned of the others. */
const SETTLE_MS = 60_000

/** Measures a fleet of simulated instances on one Redis: without changes, then with one change a second. */
export async function scale(options: ScaleOptions): Promise<ScaleResult> {
  const { instances: count, seconds, servers, signal, onProgress } = options
  const redis = await RedisServer.start()
  const folder = await mkdtemp(join(tmpdir(), 'cutover-scale-'))
  let onChange: (instance: SimulatedInstance) => void = () => undefined
  const instances: SimulatedInstance[] = []
  const start = async (i: number): Promise<void> => {
    const instance = new SimulatedInstance({
      redis: redis.url,
      path: join(folder, String(i)),
      name: `edge-${i}`,
      rows: rowsOf(servers),
      onChange: (each) => onChange(each),
    })
    try {
      await instance.start()
      instances.push(instance)
    } catch (error) {
      await instance.stop()
      // The machine may be too busy for an answer in time.
      if (!(error instanceof StoreUnusable)) throw error
      signal.throwIfAborted()
      await start(i)
    }
  }
  try {
    const memoryBefore = process.memoryUsage.rss()
    // In turns: that many first connections at once are no part of the measurement.
    for (let i = 0; i < count; i += 20) {
      await Promise.all(Array.from({ length: Math.min(20, count - i) }, (_, j) => start(i + j)))
      onProgress(`${instances.length} of ${count} instances started`)
      signal.throwIfAborted()
    }
    await settled(instances, signal)
    onProgress(`measuring ${seconds} s without changes`)
    const idle = await measured(redis, async () => delay(seconds * 1_000, undefined, { signal }))
    onProgress(`measuring ${seconds} changes, one a second`)
    const [first] = instances as [SimulatedInstance]
    const times: number[] = []
    const changing = await measured(redis, async () => {
      for (let i = 0; i < seconds; i++) {
        const began = performance.now()
        const revision = await nextRevision(first, signal)
        const unwatch = first.fleet.watch()
        await new Promise<void>((resolve) => {
          const check = (): void => {
            if (first.countApplied(revision) >= count - 1) resolve()
          }
          onChange = (instance) => {
            if (instance === first) check()
          }
          check()
        })
        unwatch()
        times.push(performance.now() - began)
        await delay(Math.max(0, 1_000 - (performance.now() - began)), undefined, { signal })
      }
    })
    const instanceMemoryBytes = (process.memoryUsage.rss() - memoryBefore) / count
    return {
      instances: count,
      servers,
      changes: times.length,
      acknowledgedMs: { p50: at(times, 0.5), p99: at(times, 0.99), max: at(times, 1) },
      redisCpuPercent: { idle: idle.redisCpuPercent, changing: changing.redisCpuPercent },
      redisMemoryBytes: Number(await redis.info('used_memory')),
      redisBytes: { received: changing.received, sent: changing.sent },
      instanceCpuPercent: changing.ownCpuPercent / count,
      instanceMemoryBytes,
      equalSeconds: equalSeconds(instances),
    }
  } finally {
    await Promise.all(instances.map((each) => each.stop().catch(() => undefined)))
    await redis.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Makes a change; again if the machine is too busy for an answer in time. */
async function nextRevision({ store }: SimulatedInstance, signal: AbortSignal): Promise<number> {
  for (;;) {
    try {
      return (await next(store)).revision
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      await delay(100, undefined, { signal })
    }
  }
}

/** Counts of one second at one instance: each server has some requests of a few durations. */
function rowsOf(servers: number): readonly TickRow[] {
  return Array.from({ length: servers }, (_, i) => ({
    service: `service-${Math.floor(i / 4)}`,
    pool: i % 4 < 2 ? 'blue' : 'green',
    version: '1.0.0',
    decision: 1,
    server: `server-${i}`,
    counts: [10, 0, 0, 10, 0, 0, 0],
    durations: [40, 3, 52, 5, 60, 2],
  }))
}

/** Resolves when every instance knows all others. */
async function settled(instances: readonly SimulatedInstance[], signal: AbortSignal): Promise<void> {
  const until = performance.now() + SETTLE_MS
  while (!instances.every(({ fleet }) => fleet.live().length === instances.length - 1)) {
    if (performance.now() > until) throw new Error('the instances do not learn of each other')
    await delay(100, undefined, { signal })
  }
}

interface Measured {
  readonly redisCpuPercent: number
  readonly ownCpuPercent: number
  readonly received: number
  readonly sent: number
}

async function measured(redis: RedisServer, act: () => Promise<void>): Promise<Measured> {
  const read = async () => {
    const [user, system, received, sent] = await Promise.all(
      ['used_cpu_user', 'used_cpu_sys', 'total_net_input_bytes', 'total_net_output_bytes'].map((field) =>
        redis.info(field),
      ),
    )
    const own = process.cpuUsage()
    return {
      redisS: Number(user) + Number(system),
      ownS: (own.user + own.system) / 1e6,
      received: Number(received),
      sent: Number(sent),
      at: performance.now(),
    }
  }
  const before = await read()
  await act()
  const after = await read()
  const seconds = (after.at - before.at) / 1_000
  return {
    redisCpuPercent: (100 * (after.redisS - before.redisS)) / seconds,
    ownCpuPercent: (100 * (after.ownS - before.ownS)) / seconds,
    received: (after.received - before.received) / seconds,
    sent: (after.sent - before.sent) / seconds,
  }
}

/** Compares the sums of the last seconds that all instances have. */
function equalSeconds(instances: readonly SimulatedInstance[]): readonly [number, number] {
  const end = Math.min(...instances.map(({ history }) => history.end))
  let equal = 0
  const compared = 10
  for (let second = end - compared; second < end; second++) {
    const sums = new Set(instances.map(({ history }) => requestsIn(history, second)))
    if (sums.size === 1) equal++
  }
  return [equal, compared]
}

/** Requests of a second, of all instances. */
function requestsIn(history: TickHistory, second: number): number {
  const sum = new Figures()
  history.sum({ from: second, to: second + 1 }, () => sum)
  return sum.counts[Figure.requests] as number
}

function at(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}
