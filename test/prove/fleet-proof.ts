import { setTimeout as delay } from 'node:timers/promises'
import { Cutover } from '../support/cutover.ts'
import { RedisServer } from '../support/redis.ts'
import { QUIET, timeApplying, waitForStore } from './applying.ts'
import { brokenByLoad, percentile, type Spread, spreadOf } from './figures.ts'
import { FleetLoad, type Window } from './fleet-load.ts'
import { Frontend, nameOf } from './frontend.ts'
import type { Proof, ProofOptions } from './proof.ts'
import { listen, shop, switchToAndFro } from './switching.ts'
import { UpstreamProcess } from './upstream-process.ts'

export interface FleetProofOptions extends Omit<ProofOptions, 'killWorker'> {
  readonly instances: number
  /** How many changes that drain nothing are timed. */
  readonly applies: number
  /** Have Redis do nothing for so long in the middle of the load. 0 = not at all. */
  readonly redisSleepSeconds: number
}

export interface FleetProof extends Omit<Proof, 'connectionsLost'> {
  readonly instances: number
  /** From sending such a change to the answer that every worker of every instance has it in force. */
  readonly applying: { readonly underLoad: Spread; readonly withoutLoad: Spread }
  readonly p99SwitchMs: number
  /** The same stretch of time before Redis slept and while it did; null where it did not. */
  readonly redisSleep: { readonly seconds: number; readonly before: Window; readonly during: Window } | null
}

interface Stage {
  readonly frontend: Frontend
  readonly redis: RedisServer
  readonly fleet: readonly Cutover[]
  readonly upstreams: UpstreamProcess
  readonly load: FleetLoad
}

/** While Redis is away a request may take so much longer, at the 99th percentile: this many times, and that much on top. */
const SLOWER = { times: 1.5, plusMs: 5 }

/** Switches between two pools through changing instances of a fleet, with clients at each of them. */
export async function proveFleet(options: FleetProofOptions): Promise<FleetProof> {
  const upstreams = new UpstreamProcess()
  const fleet: Cutover[] = []
  let redis: RedisServer | null = null
  let frontend: Frontend | null = null
  let load: FleetLoad | null = null
  try {
    redis = await RedisServer.start()
    frontend = await Frontend.create(options.protocol)
    const pools = await listen(upstreams)
    for (let i = 0; i < options.instances; i++) {
      options.signal?.throwIfAborted()
      const start = {
        services: { shop: shop(pools), quiet: QUIET },
        proxy: { listen: frontend.listen, accessLog: 'off', workers: options.workers },
        store: { redis: redis.url },
        fleet: { name: `instance${i + 1}` },
      }
      fleet.push(await Cutover.start(start))
    }
    const names = Object.values(pools).flatMap(Object.keys)
    const addresses = fleet.map(({ proxy }) => proxy)
    load = new FleetLoad({ frontend, addresses, clients: options.clients, names })
    return await run({ frontend, redis, fleet, upstreams, load }, options)
  } finally {
    await load?.stop()
    await Promise.all([...fleet.map((each) => each.stop('SIGKILL')), upstreams.stop()])
    await Promise.all([redis?.stop(), frontend?.remove()])
  }
}

async function run(stage: Stage, options: FleetProofOptions): Promise<FleetProof> {
  const { frontend, fleet, upstreams, load } = stage
  const { instances, clients, switches, workers, applies, redisSleepSeconds, onSwitch, signal } = options
  let redisSleep: FleetProof['redisSleep'] = null
  const startedAt = performance.now()
  const { times, seen, broken } = await switchToAndFro({
    instances: fleet,
    upstreams,
    everyClient: () => load.everyClient(),
    switches,
    before: async (i) => {
      if (redisSleepSeconds > 0 && i === Math.floor(switches / 2)) redisSleep = await sleep(stage, redisSleepSeconds)
    },
    onSwitch,
    signal,
  })
  const underLoad = await timeApplying(fleet, applies, signal)
  const seconds = (performance.now() - startedAt) / 1000
  const figures = await load.stop()
  const { sent, completed, failed, repeated, failures, answers, slowestMs } = figures
  const withoutLoad = await timeApplying(fleet, applies, signal)
  return {
    protocol: nameOf(frontend.protocol),
    instances,
    clients,
    switches,
    workers,
    seconds,
    requestsSent: sent,
    requestsFailed: failed,
    requestsRepeated: repeated,
    failures,
    answers,
    requestsPerSecond: completed / seconds,
    slowestRequestMs: slowestMs,
    medianSwitchMs: percentile(times, 0.5),
    p99SwitchMs: percentile(times, 0.99),
    slowestSwitchMs: percentile(times, 1),
    applying: { underLoad: spreadOf(underLoad.times), withoutLoad: spreadOf(withoutLoad.times) },
    requestsSeenByDrained: seen,
    redisSleep,
    broken: [
      ...broken,
      ...underLoad.broken,
      ...withoutLoad.broken,
      ...brokenByLoad(figures, 0, seen),
      ...brokenBySleep(redisSleep),
    ],
  }
}

async function sleep({ redis, fleet, load }: Stage, seconds: number): Promise<FleetProof['redisSleep']> {
  const before = await load.during(() => delay(seconds * 1000))
  const during = await load.during(() => redis.cli('DEBUG', 'SLEEP', String(seconds)))
  await waitForStore(fleet)
  return { seconds, before, during }
}

/** What of the promises was broken while Redis slept. */
export function brokenBySleep(redisSleep: FleetProof['redisSleep']): string[] {
  if (redisSleep === null) return []
  const { before, during } = redisSleep
  const mostMs = before.p99Ms * SLOWER.times + SLOWER.plusMs
  const [p99, most] = [during.p99Ms.toFixed(1), mostMs.toFixed(1)]
  return [
    ...(during.failed > 0 ? [`${during.failed} requests failed while Redis slept`] : []),
    ...(during.completed === 0 ? ['no request was answered while Redis slept'] : []),
    ...(during.p99Ms > mostMs ? [`while Redis slept, p99 was ${p99} ms, more than ${most} ms`] : []),
  ]
}
