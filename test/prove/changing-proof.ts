import { Cutover } from '../support/cutover.ts'
import type { Load2 } from '../support/http2-load.ts'
import type { Load } from '../support/load.ts'
import { type Changes, changeOverAndOver, versionOf } from './changing.ts'
import { brokenByLoad, type Spread, spreadOf } from './figures.ts'
import { Frontend, nameOf, type Protocol } from './frontend.ts'
import { UpstreamProcess } from './upstream-process.ts'

export interface ChangingProofOptions extends Changes {
  readonly protocol: Protocol
  readonly clients: number
  readonly count: number
  /** Worker processes; 0 = one process does all. */
  readonly workers: number
  /** Called after each change. */
  readonly onChange?: (ms: number) => void
  /** Ends the proof early. */
  readonly signal?: AbortSignal
}

export interface ChangingProof {
  /** What the clients spoke, in words. */
  readonly protocol: string
  readonly requestsSent: number
  readonly requestsFailed: number
  /** How often a request was sent again that had not been processed, as only HTTP/2 can tell. */
  readonly requestsRepeated: number
  /** Failed requests by what went wrong. */
  readonly failures: Readonly<Record<string, number>>
  readonly requestsPerSecond: number
  readonly slowestRequestMs: number
  /** From asking for a reload to the answer that it is in force. */
  readonly changes: Spread
  /** Every promise that was broken, in words; empty when none was. */
  readonly broken: readonly string[]
}

/** Names and checks change in the file, over and over, of servers that serve full load all the time. */
export async function proveChanging(options: ChangingProofOptions): Promise<ChangingProof> {
  const { clients, count, workers, onChange, signal } = options
  const upstreams = new UpstreamProcess()
  let cutover: Cutover | null = null
  let load: Load | Load2 | null = null
  let frontend: Frontend | null = null
  try {
    frontend = await Frontend.create(options.protocol)
    const ports = await upstreams.listen('blue')
    const servers = Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, `http://127.0.0.1:${port}`]))
    const services = versionOf(options, servers, 0)
    const proxy = { listen: frontend.listen, accessLog: 'off', workers }
    cutover = await Cutover.start({ services, proxy })
    const under = frontend.startLoad({ address: cutover.proxy, clients, names: Object.keys(servers) })
    load = under
    await under.more(clients)
    const startedAt = performance.now()
    const everyClient = (): Promise<void> => under.more(clients)
    const changed = await changeOverAndOver({
      ...options,
      cutover,
      proxy,
      servers,
      count,
      everyClient,
      onChange,
      signal,
    })
    const figures = await under.stop()
    const seconds = (performance.now() - startedAt) / 1_000
    return {
      protocol: nameOf(frontend.protocol),
      requestsSent: figures.sent,
      requestsFailed: figures.failed,
      requestsRepeated: figures.repeated,
      failures: figures.failures,
      requestsPerSecond: figures.completed / seconds,
      slowestRequestMs: figures.slowestMs,
      changes: spreadOf(changed.times),
      broken: [...changed.broken, ...brokenByLoad(figures, 0, 0)],
    }
  } finally {
    await load?.stop()
    await Promise.all([cutover?.stop('SIGKILL'), upstreams.stop(), frontend?.remove()])
  }
}
