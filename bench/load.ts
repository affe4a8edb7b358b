import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { findOnPath, pinned } from './processes.ts'

/** Result of a load generator. */
export interface Load {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Failed connections, requests without a response, and responses other than 2xx. */
  readonly errors: number
}

const exec = promisify(execFile)
const post = fileURLToPath(new URL('./post.lua', import.meta.url))
const client = fileURLToPath(new URL('./load-client.ts', import.meta.url))
const millisecondsPer: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000, m: 60_000 }

export const generator = findOnPath('wrk') ? 'wrk' : 'bench/load-client.ts'

export interface LoadOptions {
  readonly url: string
  readonly seconds: number
  readonly connections: number
  /** Core to which the generator is pinned; undefined = any. */
  readonly core: number | undefined
  readonly signal: AbortSignal
  /** Whether each request uses a connection of its own; needs wrk. */
  readonly closes?: boolean
  /** Length of a body to send with POST; needs wrk. */
  readonly sendBytes?: number
}

/** Puts load on the URL: on each connection, the next request follows as soon as the previous one is answered. */
export async function load(options: LoadOptions): Promise<Load> {
  const { url, seconds, connections, closes = false, sendBytes = 0 } = options
  if (generator === 'wrk') {
    const header = closes ? ['-H', 'Connection: close'] : []
    const script = sendBytes > 0 ? ['-s', post] : []
    const command = ['wrk', '-t2', `-c${connections}`, `-d${seconds}s`, '--latency', ...header, ...script, url]
    return parseWrk(await run([...command, '--', `${sendBytes}`], options))
  }
  if (closes || sendBytes > 0 || url.startsWith('https:')) throw new Error('this needs wrk')
  return JSON.parse(await run([process.execPath, client, url, `${seconds}`, `${connections}`], options))
}

async function run(command: readonly string[], { core, signal }: LoadOptions): Promise<string> {
  const [program, ...args] = pinned(command, core)
  return (await exec(program as string, args, { signal })).stdout
}

/** Parses wrk's report, which has error lines only if there were errors. */
function parseWrk(report: string): Load {
  const number = (pattern: RegExp) => Number(pattern.exec(report)?.[1] ?? 0)
  const percentile = (percent: number) => {
    const [, value, unit = ''] = new RegExp(`^ +${percent}%\\s+([\\d.]+)(us|ms|s|m)$`, 'm').exec(report) ?? []
    return Number(value) * (millisecondsPer[unit] ?? Number.NaN)
  }
  const socketErrors = /connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(report)?.slice(1) ?? []
  return {
    requests: number(/(\d+) requests in/),
    requestsPerSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: percentile(50),
    p99Ms: percentile(99),
    errors: socketErrors.reduce((sum, count) => sum + Number(count), number(/Non-2xx or 3xx responses: (\d+)/)),
  }
}
