import { setTimeout as delay } from 'node:timers/promises'
import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import type { PoolName } from './upstream-process.ts'
import { monotonicMs, POOLS, UpstreamProcess } from './upstream-process.ts'

export interface ProofOptions {
  readonly clients: number
  readonly switches: number
  /** Worker processes; 0 = one process does all. */
  readonly workers: number
  /** Kill one of them (SIGKILL) in the middle of the load. */
  readonly killWorker?: boolean
  /** Called after each switch. */
  readonly onSwitch?: (ms: number) => void
  /** Ends the proof early. */
  readonly signal?: AbortSignal
}

export interface Proof {
  readonly clients: number
  readonly switches: number
  readonly workers: number
  readonly seconds: number
  readonly requestsSent: number
  readonly requestsFailed: number
  /** Failed requests by what went wrong. */
  readonly failures: Readonly<Record<string, number>>
  /** Connections that a killed worker had: so many requests may fail, one on each. */
  readonly connectionsLost: number
  /** Completed requests by the server that answered. */
  readonly answers: Readonly<Record<string, number>>
  readonly requestsPerSecond: number
  readonly slowestRequestMs: number
  /** From asking for a switch to the answer that the old pool is drained. */
  readonly medianSwitchMs: number
  readonly slowestSwitchMs: number
  /** Requests that reached a server after it was said to be drained, or were still under way there. */
  readonly requestsSeenByDrained: number
  /** Every promise that was broken, in words; empty when none was. */
  readonly broken: readonly string[]
}

/** An answer that takes longer than this breaks the promise of a switch that waits. */
const WAIT = '30s'

/**
 * Switches between two pools under full load. As soon as the old pool is said to be drained, its servers stop listening
 * and break all their connections; before it is to serve again they are back, and checked. There are no retries: what
 * goes to the wrong server shows.
 */
export async function prove(options: ProofOptions): Promise<Proof> {
  const upstreams = new UpstreamProcess()
  let cutover: Cutover | null = null
  let load: Load | null = null
  try {
    const pools = Object.fromEntries(
      await Promise.all(POOLS.map(async (pool) => [pool, await upstreams.listen(pool)] as const)),
    )
    const proxy = { accessLog: 'off', workers: options.workers }
    cutover = await Cutover.start({ services: { shop: service(pools) }, proxy })
    const names = Object.values(pools).flatMap(Object.keys)
    load = new Load({ url: `${cutover.proxy}/`, clients: options.clients, names })
    return await run(cutover, upstreams, load, options)
  } finally {
    await load?.stop()
    await Promise.all([cutover?.stop('SIGKILL'), upstreams.stop()])
  }
}

async function run(
  cutover: Cutover,
  upstreams: UpstreamProcess,
  load: Load,
  { clients, switches, workers, killWorker = false, onSwitch, signal }: ProofOptions,
): Promise<Proof> {
  const broken: string[] = []
  const switchMs: number[] = []
  let seen = 0
  let connectionsLost = 0
  let [active, other]: PoolName[] = [...POOLS]
  const startedAt = performance.now()
  for (let i = 0; i < switches; i++) {
    if (active === undefined || other === undefined) throw new Error('unreachable')
    signal?.throwIfAborted()
    await upstreams.open(other)
    await up(cutover, other)
    // Between two switches every client has had its turn, or another in its place.
    await load.more(clients)
    if (killWorker && i === Math.floor(switches / 2)) connectionsLost = await killBusiestWorker(cutover)
    const askedAt = performance.now()
    const answer = await cutover.api('POST', `/api/services/shop/switch?wait=${WAIT}`, { to: other })
    const drainedAt = monotonicMs()
    const ms = performance.now() - askedAt
    const { late, underWay } = await upstreams.close(active, drainedAt)
    if (answer.status !== 200 || answer.body.drained?.join() !== active || answer.body.cut !== 0) {
      broken.push(`switch ${i + 1} to ${other} was answered ${answer.status} ${JSON.stringify(answer.body)}`)
    }
    seen += late + underWay
    switchMs.push(ms)
    onSwitch?.(ms)
    ;[active, other] = [other, active]
  }
  await load.more(clients)
  const seconds = (performance.now() - startedAt) / 1000
  const { sent, completed, failed, failures, answers, slowestMs } = await load.stop()
  if (sent !== completed + failed) broken.push(`of ${sent} requests only ${completed + failed} are accounted for`)
  if (failed > connectionsLost) broken.push(`${failed} requests failed: ${JSON.stringify(failures)}`)
  if (killWorker && connectionsLost === 0) broken.push('no worker with a connection was there to be killed')
  if (seen > 0) broken.push(`drained servers saw ${seen} requests`)
  switchMs.sort((a, b) => a - b)
  return {
    clients,
    switches,
    seconds,
    requestsSent: sent,
    requestsFailed: failed,
    failures,
    connectionsLost,
    workers,
    answers,
    requestsPerSecond: completed / seconds,
    slowestRequestMs: slowestMs,
    medianSwitchMs: switchMs[Math.floor(switchMs.length / 2)] ?? 0,
    slowestSwitchMs: switchMs.at(-1) ?? 0,
    requestsSeenByDrained: seen,
    broken,
  }
}

/** Returns how many connections went with it. */
async function killBusiestWorker(cutover: Cutover): Promise<number> {
  const { body } = await cutover.api('GET', '/api/instances')
  const processes: { role: string; pid: number; connections: number }[] = body.instances[0].processes
  const [busiest] = processes.filter(({ role }) => role === 'worker').sort((a, b) => b.connections - a.connections)
  if (busiest === undefined) return 0
  process.kill(busiest.pid, 'SIGKILL')
  return busiest.connections
}

function service(pools: Readonly<Record<string, Readonly<Record<string, number>>>>): object {
  const urls = Object.entries(pools).map(([pool, ports]) => {
    const servers = Object.entries(ports).map(([name, port]) => [name, `http://127.0.0.1:${port}`])
    return [pool, { servers: Object.fromEntries(servers) }]
  })
  return {
    pools: Object.fromEntries(urls),
    split: { blue: 100 },
    health: { interval: '50ms' },
    retry: { attempts: 1 },
    minReady: 2,
  }
}

/** Resolves once Cutover has found both servers of a pool up. */
async function up(cutover: Cutover, pool: PoolName): Promise<void> {
  for (;;) {
    const { body } = await cutover.api('GET', '/api/services/shop')
    const found = body.pools.find(({ name }: { name: string }) => name === pool)
    if (found.up === found.servers.length) return
    await delay(5)
  }
}
