import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Cutover } from '../support/cutover.ts'
import { PROGRAM } from '../support/program.ts'
import { until } from '../support/until.ts'
import { type Handler, startUpstream, type Upstream } from '../support/upstream.ts'

export const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** An instance, servers, and a PATH on which programs of other machines are played by scripts. */
export class ExampleStage {
  readonly cutover: Cutover
  readonly folder: string
  readonly servers = new Map<string, Upstream>()

  private constructor(cutover: Cutover, folder: string) {
    this.cutover = cutover
    this.folder = folder
  }

  static async start(): Promise<ExampleStage> {
    const folder = await mkdtemp(join(tmpdir(), 'cutover-examples-'))
    const stage = new ExampleStage(await Cutover.start({ services: {}, proxy: { accessLog: 'off' } }), folder)
    await stage.standIn('cutover', `exec "${process.execPath}" "${PROGRAM}" "$@"`)
    return stage
  }

  /** Writes a program that the examples find on their PATH; it has the log of `calls` in `$CALLS`. */
  async standIn(name: string, script: string): Promise<void> {
    const path = join(this.folder, name)
    await writeFile(path, `#!/bin/sh\n${script}\n`)
    await chmod(path, 0o755)
  }

  /** What stand-ins have logged, a line each. */
  async calls(): Promise<readonly string[]> {
    const log = await readFile(join(this.folder, 'calls'), 'utf8').catch(() => '')
    return log.split('\n').filter((line) => line !== '')
  }

  async server(name: string, handler?: Handler, port?: number): Promise<Upstream> {
    const server = await startUpstream(handler ?? answerName, port === undefined ? { name } : { name, port })
    this.servers.set(name, server)
    return server
  }

  /** Defines the service `shop`, and waits until its servers are up. */
  async define(pools: Readonly<Record<string, readonly string[]>>, more: object = {}): Promise<void> {
    const of = (names: readonly string[]) =>
      Object.fromEntries(names.map((name) => [name, this.servers.get(name)?.url]))
    await this.cutover.api('DELETE', '/api/services/shop?force')
    const { status, body } = await this.cutover.api('PUT', '/api/services/shop', {
      pools: Object.fromEntries(Object.entries(pools).map(([pool, names]) => [pool, { servers: of(names) }])),
      split: { [Object.keys(pools)[0] as string]: 100 },
      health: { interval: '100ms', rise: 1 },
      ...more,
    })
    if (status !== 200) throw new Error(JSON.stringify(body))
    await until(async () => {
      const { body: shop } = await this.cutover.api('GET', '/api/services/shop')
      return shop.pools.every((pool: { up: number; servers: unknown[] }) => pool.up === pool.servers.length)
    })
  }

  async split(): Promise<Readonly<Record<string, number>>> {
    return (await this.cutover.api('GET', '/api/services/shop')).body.split
  }

  /** Runs a script of an example. */
  async run(script: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const child = spawn(join(EXAMPLES, script), args, {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        PATH: [this.folder, process.env.PATH].join(delimiter),
        CALLS: join(this.folder, 'calls'),
        LB: this.cutover.admin,
        CUTOVER_ADMIN: this.cutover.admin,
        APP: this.cutover.proxy,
        ...env,
      },
    })
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
    return { code, stdout, stderr }
  }

  async stop(): Promise<void> {
    await this.cutover.stop('SIGKILL')
    await Promise.all([...this.servers.values()].map((each) => each.close()))
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** Answers with the name of the server. */
function answerName(_request: unknown, response: ServerResponse): void {
  response.end(String(response.getHeader('x-upstream')))
}
