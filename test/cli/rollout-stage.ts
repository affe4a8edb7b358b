import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { CommandLine, type Ran } from './support.ts'

const TOKEN = 'token-of-ann'
const NAMES = ['blue1', 'green1']

/** An instance for all tests of a file, with a service of its own for each of them. */
export class RolloutStage {
  readonly cutover: Cutover
  readonly folder: string
  private readonly upstreams: readonly Upstream[]
  private readonly failing: Set<string>
  private readonly held: ServerResponse[]

  private constructor(cutover: Cutover, folder: string, upstreams: readonly Upstream[], rest: Handling) {
    this.cutover = cutover
    this.folder = folder
    this.upstreams = upstreams
    this.failing = rest.failing
    this.held = rest.held
  }

  static async start(): Promise<RolloutStage> {
    const handling: Handling = { failing: new Set(), held: [] }
    const upstreams = await Promise.all(
      NAMES.map((name) => startUpstream((request, response) => answer(name, request, response, handling), { name })),
    )
    const admin = { tokens: [{ name: 'ann', role: 'admin', token: TOKEN }] }
    const cutover = await Cutover.start({ services: {}, admin, proxy: { accessLog: 'off' } })
    return new RolloutStage(cutover, await mkdtemp(join(tmpdir(), 'cutover-cli-')), upstreams, handling)
  }

  async stop(): Promise<void> {
    await this.cutover.stop('SIGKILL')
    await Promise.all([...this.upstreams.map((each) => each.close()), rm(this.folder, { recursive: true })])
  }

  /** Defines a service with a stable pool `blue` and a canary `green`. */
  async service(name: string): Promise<string> {
    const [blue, green] = this.upstreams
    const pools = { blue: { servers: { blue1: blue?.url } }, green: { servers: { green1: green?.url } } }
    await this.done('PUT', `/api/services/${name}`, {
      hosts: [hostOf(name)],
      pools,
      split: { blue: 100 },
      health: { interval: '50ms' },
    })
    await until(async () => {
      const { pools } = await this.done('GET', `/api/services/${name}`)
      return pools.every(({ up }: { up: number }) => up === 1)
    })
    return name
  }

  /** Lets the canary of a service answer with 500. */
  fail(service: string): void {
    this.failing.add(hostOf(service))
  }

  /** Sends a hundred requests per second to a service. Returns a function that ends it. */
  load(service: string): () => void {
    const agent = new http.Agent({ keepAlive: true })
    const options = { agent, headers: { host: hostOf(service) } }
    const timer = setInterval(
      () => http.get(this.cutover.proxy, options, (response) => response.resume()).on('error', () => undefined),
      10,
    )
    return () => {
      clearInterval(timer)
      agent.destroy()
    }
  }

  /** Sends a request that the server answers only when `release` is called. */
  hold(service: string): void {
    const held = http.get(`${this.cutover.proxy}/hold`, { headers: { host: hostOf(service) } }, (answer) =>
      answer.resume(),
    )
    held.on('error', () => undefined)
  }

  release(): void {
    for (const response of this.held.splice(0)) response.end('green1')
  }

  async file(name: string, text: string): Promise<string> {
    const path = join(this.folder, name)
    await writeFile(path, text)
    return path
  }

  /** Starts `cutover rollout …` for this instance. */
  begin(args: readonly string[], env: Readonly<Record<string, string>> = {}, input = ''): CommandLine {
    const of = { CUTOVER_ADMIN: this.cutover.admin, CUTOVER_TOKEN: TOKEN, ...env }
    return new CommandLine(['rollout', ...args], { env: of, cwd: this.folder, input })
  }

  /** Runs `cutover rollout …` to its end. */
  run(args: readonly string[], env: Readonly<Record<string, string>> = {}, input = ''): Promise<Ran> {
    return this.begin(args, env, input).ended
  }

  /** Calls the admin API, which has to carry it out. */
  async done(method: string, path: string, body?: unknown) {
    const answer = await this.cutover.api(method, path, body, { authorization: `Bearer ${TOKEN}` })
    expect([answer.status < 300, answer.body.detail]).toEqual([true, undefined])
    return answer.body
  }

  /** Begins a rollout; resolves once it waits at its first gate. */
  async atGate(service: string, steps: readonly object[]): Promise<string> {
    const { rollout } = await this.done('POST', `/api/services/${service}/rollouts`, { to: 'green', steps })
    await until(async () => (await this.newest(service)).reason === 'Gate')
    return rollout.id
  }

  async newest(service: string) {
    return (await this.done('GET', `/api/services/${service}/rollouts`)).rollouts[0]
  }
}

interface Handling {
  readonly failing: Set<string>
  readonly held: ServerResponse[]
}

function hostOf(service: string): string {
  return `${service}.test`
}

function answer(name: string, request: IncomingMessage, response: ServerResponse, handling: Handling): void {
  request.resume()
  const { host = '' } = request.headers
  if (request.url === '/hold') {
    handling.held.push(response)
    return
  }
  const fails = request.url === '/health' || (name === 'green1' && handling.failing.has(host))
  response.statusCode = fails ? 500 : 200
  response.end(name)
}
