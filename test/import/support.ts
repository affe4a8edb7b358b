import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse } from 'yaml'
import { importFrom, type Source } from '../../src/import/import.ts'
import { Cutover } from '../support/cutover.ts'
import { freePort, startUpstream, type Upstream } from '../support/upstream.ts'

const BIN = join(import.meta.dirname, '../../node_modules/.bin')
const START_LIMIT_MS = 10_000

/** A request to both proxies. */
export interface Asked {
  readonly method?: string
  readonly host: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** What of an answer must be equal. */
export interface Answered {
  readonly status: number
  /** The server that answered; null = the proxy itself. */
  readonly server: string | null
  /** What the server has seen: the target, and fields. */
  readonly seen: Readonly<Record<string, unknown>> | null
  /** Fields of the answer. */
  readonly fields: Readonly<Record<string, unknown>>
}

/**
 * Test servers that answer with what they see. A request is answered with the status in its field x-want-status, or 200.
 */
export async function startServers(names: readonly string[]): Promise<Readonly<Record<string, Upstream>>> {
  const entries = names.map(async (name) => {
    const server = await startUpstream(
      async (request, response, recorded) => {
        await text(request)
        const { url, method, headers } = recorded
        response.statusCode = Number(headers['x-want-status'] ?? 200)
        response.setHeader('server', 'app')
        response.end(JSON.stringify({ url, method, headers }))
      },
      { name },
    )
    return [name, server] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

/** Another proxy and Cutover with the imported configuration, in front of the same servers. */
export class Pair {
  readonly original: Original
  readonly cutover: Cutover

  private constructor(original: Original, cutover: Cutover) {
    this.original = original
    this.cutover = cutover
  }

  /** Starts both. In `config`, `{port}` is where the proxy listens, and `{NAME}` the port of a server. */
  static async start(source: Source, config: string, servers: Readonly<Record<string, Upstream>>): Promise<Pair> {
    const port = await freePort()
    const filled = config.replace(/\{(\w+)\}/g, (whole, name: string) => {
      if (name === 'port') return String(port)
      const server = servers[name]
      return server === undefined ? whole : String(server.port)
    })
    const original = await Original.start(source, filled, port)
    const { yaml, problems } = importFrom(source, `${source}.conf`, filled)
    if (problems.length > 0) throw new Error(problems.join('\n'))
    const { proxy, services } = parse(yaml)
    const cutover = await Cutover.start({ services, proxy: { ...proxy, listen: '127.0.0.1:0', workers: 0 } })
    // The other proxies send requests before any check.
    while (!(await areUp(cutover))) await sleep(20)
    return new Pair(original, cutover)
  }

  /** Sends a request to both. */
  async ask(asked: Asked, seen: readonly string[], fields: readonly string[]): Promise<readonly [Answered, Answered]> {
    const cutoverPort = Number(new URL(this.cutover.proxy).port)
    return Promise.all([this.original.port, cutoverPort].map((port) => ask(port, asked, seen, fields))) as Promise<
      [Answered, Answered]
    >
  }

  /** How many of the requests to a path each server gets, from the original and from Cutover. */
  async count(host: string, path: string, requests: number): Promise<readonly Record<string, number>[]> {
    const counts: Record<string, number>[] = [{}, {}]
    for (let i = 0; i < requests; i++) {
      const answers = await this.ask({ host, path }, [], [])
      for (const [index, { server }] of answers.entries()) {
        const of = counts[index] ?? {}
        of[String(server)] = (of[String(server)] ?? 0) + 1
      }
    }
    return counts
  }

  async stop(): Promise<void> {
    await Promise.all([this.original.stop(), this.cutover.stop()])
  }
}

async function areUp(cutover: Cutover): Promise<boolean> {
  const { body } = await cutover.api('GET', '/api/servers')
  return body.servers.every(({ health }: { health: string }) => health === 'up')
}

/** A real nginx or HAProxy, which `npm test` downloads. */
class Original {
  readonly port: number
  private readonly folder: string
  private readonly process: ChildProcess
  private readonly exited: Promise<unknown>
  private output = ''

  private constructor(command: readonly string[], folder: string, port: number) {
    const [program = '', ...args] = command
    this.folder = folder
    this.port = port
    this.process = spawn(program, args, {
      env: { ...process.env, PATH: [BIN, process.env.PATH, '/usr/sbin', '/usr/local/sbin'].join(delimiter) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.exited = once(this.process, 'exit').catch((error: Error) => {
      this.output += `${program} does not run (npm test downloads it): ${error.message}`
    })
    for (const stream of [this.process.stdout, this.process.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString()
      })
  }

  /** Starts it and waits until it listens. Rejects with what it has printed if it does not get there. */
  static async start(source: Source, config: string, port: number): Promise<Original> {
    const folder = await mkdtemp(join(tmpdir(), 'cutover-original-'))
    const file = join(folder, 'proxy.conf')
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${folder}/${kind};`,
    )
    const whole = `daemon off; pid ${folder}/pid; error_log stderr;
events { worker_connections 256; }
http { access_log off; ${temporary.join(' ')}
${config}
}`
    await writeFile(file, source === 'nginx' ? whole : config)
    const commands = { nginx: ['nginx', '-p', folder, '-c', file], haproxy: ['haproxy', '-db', '-f', file] }
    const command = commands[source as 'nginx' | 'haproxy']
    const original = new Original(command, folder, port)
    const deadline = performance.now() + START_LIMIT_MS
    while (!(await canConnect(port))) {
      const hasEnded = original.process.exitCode !== null || original.process.pid === undefined
      if (hasEnded || performance.now() > deadline) {
        await original.stop()
        throw new Error(`${command[0]} does not listen:\n${original.output}`)
      }
      // Neither of them says when it listens.
      await sleep(20)
    }
    return original
  }

  async stop(): Promise<void> {
    this.process.kill('SIGTERM')
    await this.exited
    await rm(this.folder, { recursive: true, force: true })
  }
}

async function canConnect(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function ask(
  port: number,
  { method = 'GET', host, path, headers, body }: Asked,
  seen: readonly string[],
  fields: readonly string[],
): Promise<Answered> {
  const request = http.request({ port, host: '127.0.0.1', method, path, headers: { host, ...headers }, agent: false })
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const answer = await text(response)
  const server = response.headers['x-upstream'] ?? null
  const parsed = server === null || answer === '' ? null : JSON.parse(answer)
  const pick = (from: Readonly<Record<string, unknown>>, names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, from[name]]))
  return {
    status: response.statusCode ?? 0,
    server: server as string | null,
    seen: parsed === null ? null : { url: parsed.url, method: parsed.method, ...pick(parsed.headers, seen) },
    fields: server === null ? {} : pick(response.headers, fields),
  }
}

/** Requests with a name for each. */
export function labelled(requests: readonly Asked[]): (readonly [string, Asked])[] {
  return requests.map((asked, index) => [`${index + 1}. ${asked.method ?? 'GET'} ${asked.host}${asked.path}`, asked])
}
