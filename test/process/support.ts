import { Cutover } from '../support/cutover.ts'
import { type Handler, startUpstream, type Upstream } from '../support/upstream.ts'

const ending: (() => unknown)[] = []

/** Ends everything that was started here or passed to `endWithAll`, latest first. */
export async function endAll(): Promise<void> {
  for (const end of ending.splice(0).reverse()) await end()
}

export function endWithAll(end: () => unknown): void {
  ending.push(end)
}

export async function upstream(name: string, handler?: Handler): Promise<Upstream> {
  const server = await startUpstream(handler, { name })
  ending.push(() => server.close())
  return server
}

export interface Setting {
  readonly service: object
  readonly workers?: number
  readonly proxy?: object
  readonly shutdown?: object
}

/** A Cutover of several processes with one service, `shop`. */
export async function start({ service, workers = 2, proxy = {}, shutdown }: Setting): Promise<Cutover> {
  const cutover = await Cutover.start({
    services: { shop: service },
    proxy: { workers, ...proxy },
    ...(shutdown === undefined ? {} : { shutdown }),
  })
  ending.push(() => cutover.stop('SIGKILL'))
  return cutover
}

export function pool(...servers: readonly Upstream[]): object {
  return { servers: Object.fromEntries(servers.map(({ name, url }) => [name, url])) }
}

export interface Process {
  readonly role: string
  readonly pid: number
  readonly appliedRevision: number
  readonly inFlight: number
  readonly connections: number
  readonly cpuPercent: number
  readonly memoryBytes: number
  readonly eventLoopDelayMs: number
}

export async function processes(cutover: Cutover, role?: string): Promise<Process[]> {
  const { body } = await cutover.api('GET', '/api/instances')
  return body.instances[0].processes.filter((each: Process) => role === undefined || each.role === role)
}

export async function pids(cutover: Cutover, role: string): Promise<number[]> {
  return (await processes(cutover, role)).map(({ pid }) => pid)
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
