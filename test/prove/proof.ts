import { Cutover } from '../support/cutover.ts'
import type { Load2 } from '../support/http2-load.ts'
import type { Load } from '../support/load.ts'
import { brokenByLoad, percentile } from './figures.ts'
import { Frontend, nameOf, type Protocol } from './frontend.ts'
import { listen, shop, switchToAndFro } from './switching.ts'
import { UpstreamProcess } from './upstream-process.ts'

export interface ProofOptions {
  readonly protocol: Protocol
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
  /** What the clients spoke, in words. */
  readonly protocol: string
  readonly clients: number
  readonly switches: number
  readonly workers: number
  readonly seconds: number
  readonly requestsSent: number
  readonly requestsFailed: number
  /** How often a request was sent again that had not been processed, as only HTTP/2 can tell. */
  readonly requestsRepeated: number
  /** Failed requests by what went wrong. */
  readonly failures: Readonly<Record<string, number>>
  /** Connections that a killed worker had: one request may fail on each, and with HTTP/2 one of each client that shares it. */
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

interface Stage {
  readonly cutover: Cutover
  readonly upstreams: UpstreamProcess
  readonly frontend: Frontend
  readonly load: Load | Load2
}

/** Switches between two pools of one instance under full load. */
export async function prove(options: ProofOptions): Promise<Proof> {
  const upstreams = new UpstreamProcess()
  let cutover: Cutover | null = null
  let load: Load | Load2 | null = null
  let frontend: Frontend | null = null
  try {
    frontend = await Frontend.create(options.protocol)
    const pools = await listen(upstreams)
    const proxy = { listen: frontend.listen, accessLog: 'off', workers: options.workers }
    cutover = await Cutover.start({ services: { shop: shop(pools) }, proxy })
    const names = Object.values(pools).flatMap(Object.keys)
    load = frontend.startLoad({ address: cutover.proxy, clients: options.clients, names })
    return await run({ cutover, upstreams, frontend, load }, options)
  } finally {
    await load?.stop()
    await Promise.all([cutover?.stop('SIGKILL'), upstreams.stop(), frontend?.remove()])
  }
}

async function run(
  { cutover, upstreams, frontend, load }: Stage,
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
  const figures = await load.stop()
  const { sent, completed, failed, repeated, failures, answers, slowestMs } = figures
  const broken = [...wrongAnswers, ...brokenByLoad(figures, connectionsLost * frontend.streams, seen)]
  if (killWorker && connectionsLost === 0) broken.push('no worker with a connection was there to be killed')
  return {
    protocol: nameOf(frontend.protocol),
    clients,
    switches,
    seconds,
    requestsSent: sent,
    requestsFailed: failed,
    requestsRepeated: repeated,
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
