import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, openSync, readFileSync, truncateSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const stopTimeoutMs = 5_000

/** A process of the benchmark; all its output goes to a file. */
export class BenchProcess {
  readonly #child: ChildProcess
  readonly #log: string
  readonly #ended: Promise<void>

  /** Starts a command, pinned to `core` if given. */
  constructor(command: readonly string[], log: string, core?: number, env: Readonly<Record<string, string>> = {}) {
    const [program, ...args] = pinned(command, core)
    const output = openSync(log, 'a')
    this.#log = log
    this.#child = spawn(program as string, args, { stdio: ['ignore', output, output], env: { ...process.env, ...env } })
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', () => resolve())
      this.#child.once('error', () => resolve())
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** The last 2,000 characters of its output. */
  get lastOutput(): string {
    return readFileSync(this.#log, 'utf8').slice(-2_000)
  }

  /** Discards the output so far, so that a long run does not fill the disk. */
  truncateOutput(): void {
    truncateSync(this.#log)
  }

  /**
   * Waits until the URL answers 200, at most `limitMs`; throws with the output on a timeout or if the process ends.
   */
  async ready(url: string, limitMs = 20_000): Promise<void> {
    const deadline = performance.now() + limitMs
    while (performance.now() < deadline && this.#runs) {
      const status = await fetch(url).then(
        async (response) => {
          await response.bytes()
          return response.status
        },
        () => 0,
      )
      if (status === 200) return
      await sleep(50)
    }
    throw new Error(`${this.#runs ? `did not answer 200 at ${url}` : 'ended'}; it printed:\n${this.lastOutput}`)
  }

  /** Stops the process with SIGTERM, and kills it after five seconds. */
  async stop(): Promise<void> {
    if (!this.#runs) return
    this.#child.kill('SIGTERM')
    const patience = setTimeout(() => this.#child.kill('SIGKILL'), stopTimeoutMs)
    await this.#ended
    clearTimeout(patience)
  }

  get #runs(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }
}

/** A process of a running Cutover, as its admin API lists it. */
export interface CutoverProcess {
  readonly role: string
  readonly pid: number
}

/** Returns the processes of a Cutover. `admin`: URL of its admin API. */
export async function processesOf(admin: string): Promise<readonly CutoverProcess[]> {
  const response = await fetch(`${admin}/api/instances`)
  const { instances } = (await response.json()) as { instances: { processes: CutoverProcess[] }[] }
  return instances[0]?.processes ?? []
}

/**
 * Returns a command line that pins the command to a core. `taskset` execs the command, so the process id stays the
 * same.
 */
export function pinned(command: readonly string[], core: number | undefined): readonly string[] {
  return core === undefined ? command : ['taskset', '-c', `${core}`, ...command]
}

/** Two cores, one for the contestant and one for the rest; undefined = pinning is not possible. */
export function twoCores(): readonly [number, number] | undefined {
  if (!findOnPath('taskset')) return undefined
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
  const [first, second] = list.split(',').flatMap((range) => {
    const [from = 0, to = from] = range.split('-').map(Number)
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })
  return first === undefined || second === undefined ? undefined : [first, second]
}

export function findOnPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** Returns a port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no TCP port')
  return address.port
}
