import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Shop } from '../admin/support.ts'
import type { CutoverOptions } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { CommandLine, type Ran } from './support.ts'

/** An instance for all tests of a file, with a service of its own for each of them, and the command line for it. */
export class CliStage {
  readonly shop = new Shop()
  folder = ''

  async start(options: Partial<CutoverOptions> = {}): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'cutover-cli-'))
    await this.shop.start({ proxy: { accessLog: 'off' }, ...options })
  }

  async stop(): Promise<void> {
    this.shop.held.release()
    await this.shop.stop()
    await rm(this.folder, { recursive: true })
  }

  get admin(): string {
    return this.shop.cutover.admin
  }

  /** Defines a service with the pools `blue` (all requests) and `green`; resolves once all of its servers are up. */
  async service(name: string, changes: object = {}): Promise<string> {
    await this.shop.define({ hosts: [hostOf(name)], ...changes }, name)
    return name
  }

  /** Sends a request to a service that its server answers only when the test releases it; resolves once it is there. */
  async hold(service: string): Promise<void> {
    const before = await this.inFlight(service)
    const held = http.get(`${this.shop.cutover.proxy}/hold`, { headers: { host: hostOf(service) } }, (answer) =>
      answer.resume(),
    )
    held.on('error', () => undefined)
    await until(async () => (await this.inFlight(service)) > before)
  }

  private async inFlight(service: string): Promise<number> {
    const { pools } = await this.shop.view(service)
    return pools.reduce((sum: number, { inFlight }: { inFlight: number }) => sum + inFlight, 0)
  }

  /** Starts `cutover …` for this instance. */
  begin(args: readonly string[], env: Readonly<Record<string, string>> = {}): CommandLine {
    return new CommandLine(args, { env: { CUTOVER_ADMIN: this.admin, ...env }, cwd: this.folder })
  }

  /** Runs `cutover …` to its end. */
  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    return this.begin(args, env).ended
  }

  /** Runs `cutover … --json`, which has to succeed; returns the document. */
  async json(...args: readonly string[]) {
    const { code, stdout, stderr } = await this.run([...args, '--json'])
    if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`)
    return JSON.parse(stdout)
  }
}

export function hostOf(service: string): string {
  return `${service}.test`
}
