import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Load, LoadOptions } from './load.ts'
import { findOnPath, pinned } from './processes.ts'

const STREAMS = 16

const exec = promisify(execFile)

/** Puts load on the URL over HTTP/2 with h2load, a program of nghttp2: the next request of a stream follows the answer. */
export async function h2load({ url, seconds, connections, core, signal }: LoadOptions): Promise<Load> {
  if (!findOnPath('h2load')) throw new Error('HTTP/2 needs h2load (Debian: nghttp2-client)')
  const folder = mkdtempSync(join(tmpdir(), 'cutover-h2load-'))
  const log = join(folder, 'log')
  try {
    const options = ['-t1', `-c${connections}`, `-m${STREAMS}`, `-D${seconds}`, `--log-file=${log}`]
    const [program, ...args] = pinned(['h2load', ...options, url], core)
    const { stdout } = await exec(program as string, args, { signal })
    return { ...parse(stdout), ...percentiles(readFileSync(log, 'latin1')) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function parse(report: string) {
  const number = (pattern: RegExp) => Number(pattern.exec(report)?.[1] ?? Number.NaN)
  return {
    requests: number(/status codes: (\d+) 2xx/),
    requestsPerSecond: number(/finished in [^,]+, ([\d.]+) req\/s/),
    // Those with a status above 399 count as failed.
    errors: number(/ (\d+) failed,/) + number(/ (\d+) 3xx,/),
  }
}

/** The log has a line for each request: when it was sent, the status, and how long it took, us; between tabs. */
function percentiles(log: string) {
  const times = log
    .trimEnd()
    .split('\n')
    .map((line) => Number(line.split('\t')[2]) / 1_000)
    .sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(share * (times.length - 1))] ?? Number.NaN
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}
