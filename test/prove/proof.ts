import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { brokenByLoad, percentile } from './figures.ts'
import { listen, shop, switchToAndFro } from './switching.ts'
import { UpstreamProcess } from './upstream-process.ts'

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

/** Switches between two pools of one instance under full load. */
export async function prove(options: ProofOptions): Promise<Proof> {
  const upstreams = new UpstreamProcess()
  let cutover: Cutover | null = null
  let load: Load | null = null
  try {
    const pools = await listen(upstreams)
    const proxy = { accessLog: 'off', workers: options.workers }
    cutover = await Cutover.start({ services: { shop: shop(pools) }, proxy })
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
  let connectionsLost = 0
  const startedAt = performance.now()
  const {
    times,
    seen,
    broken: wrongAnswers,
  } = await switchToAndFro({
    instances: [cutover],
    upstreams,
    everyClient: () => load.more(clients),
    switches,
    before: async (i) => {
      if (killWorker && i === Math.floor(switches / 2)) connectionsLost = await killBusiestWorker(cutover)
    },
    onSwitch,
    signal,
  })
  const seconds = (performance.now() - startedAt) / 1000
  const { sent, completed, failed, failures, answers, slowestMs } = await load.stop()
  const broken = [...wrongAnswers, ...brokenByLoad({ sent, completed, failed, failures }, connectionsLost, seen)]
  if (killWorker && connectionsLost === 0) broken.push('no worker with a connection was there to be killed')
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
    medianSwitchMs: percentile(times, 0.5),
    slowestSwitchMs: percentile(times, 1),
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
