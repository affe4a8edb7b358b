import { once } from 'node:events'
import http from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse } from 'yaml'
import { importFrom, type Source } from '../../src/import/import.ts'
import { Cutover } from '../support/cutover.ts'
import { OtherProxy } from '../support/other-proxy.ts'
import { freePort, startUpstream, type Upstream } from '../support/upstream.ts'

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
  readonly original: OtherProxy
  readonly cutover: Cutover

  private constructor(original: OtherProxy, cutover: Cutover) {
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
    const original = await OtherProxy.start(source === 'nginx' ? 'nginx' : 'haproxy', filled, port)
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
