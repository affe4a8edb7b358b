import { execFile } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import http from 'node:http'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { type Answer, Cutover, type CutoverOptions } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { type Handler, startUpstream, type Upstream } from '../support/upstream.ts'

/** Probes often enough for a test to wait for. */
export const HEALTH = { interval: '20ms' }

const NAMES = ['blue1', 'blue2', 'green1', 'green2'] as const
export type ServerName = (typeof NAMES)[number]

/** Requests that the servers leave unanswered until a test says so: those for `/hold`. */
export class Held {
  private readonly responses: ServerResponse[] = []
  readonly handler: Handler = async (request, response, recorded) => {
    recorded.body = await text(request)
    if (request.url?.startsWith('/hold') === true) this.responses.push(response)
    else response.end(`${response.getHeader('x-upstream')}`)
  }

  release(): void {
    for (const response of this.responses.splice(0)) response.end(`${response.getHeader('x-upstream')}`)
  }
}

/** A Cutover for all the tests of a file, and a service `shop` with two pools of two servers anew for each of them. */
export class Shop {
  readonly held = new Held()
  private readonly upstreams = new Map<ServerName, Upstream>()
  private running: Cutover | null = null

  get cutover(): Cutover {
    if (this.running === null) throw new Error('not started')
    return this.running
  }

  async start(options: Partial<CutoverOptions>): Promise<void> {
    for (const name of NAMES) this.upstreams.set(name, await startUpstream(this.held.handler, { name }))
    this.running = await Cutover.start({ services: {}, ...options })
  }

  async stop(): Promise<void> {
    await this.running?.stop('SIGKILL')
    for (const upstream of this.upstreams.values()) await upstream.close()
  }

  server(name: ServerName): Upstream {
    const upstream = this.upstreams.get(name)
    if (upstream === undefined) throw new Error('not started')
    return upstream
  }

  /** The definition of `shop`: all traffic on blue. */
  definition(changes: object = {}) {
    const url = (name: ServerName) => this.server(name).url
    return {
      pools: {
        blue: { version: '1.4.2', servers: { blue1: url('blue1'), blue2: url('blue2') } },
        green: { version: '1.5.0', servers: { green1: url('green1'), green2: url('green2') } },
      },
      split: { blue: 100 },
      health: HEALTH,
      ...changes,
    }
  }

  /** Defines a service; resolves once all of its servers are up. */
  async define(changes: object = {}, name = 'shop'): Promise<void> {
    this.ok(await this.api('PUT', `/api/services/${name}?force`, this.definition(changes)))
    await this.allUp(name)
  }

  async allUp(name = 'shop'): Promise<void> {
    await until(async () => {
      const { body } = await this.api('GET', `/api/services/${name}`)
      return body.pools.every((pool: { up: number; servers: unknown[] }) => pool.up === pool.servers.length)
    })
  }

  async reset(): Promise<void> {
    this.held.release()
    for (const upstream of this.upstreams.values()) {
      upstream.health = 200
      upstream.requests.length = 0
    }
    const { body } = await this.api('GET', '/api/services')
    for (const { name } of body.services) this.ok(await this.api('DELETE', `/api/services/${name}?force`))
  }

  /** Calls the admin API. */
  api(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.cutover.api(method, path, body, headers)
  }

  /** Calls the admin API; the answer has to be 200. Returns the body. */
  async done(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    return this.ok(await this.api(method, path, body, headers))
  }

  /** `GET /api/services/shop`. */
  async view(name = 'shop') {
    return this.done('GET', `/api/services/${name}`)
  }

  /** The revision of the whole state. */
  async revision(): Promise<number> {
    return (await this.done('GET', '/api/services')).revision
  }

  /** The newest entry of a service's history. */
  async lastEntry(name = 'shop') {
    return (await this.done('GET', `/api/services/${name}/history?limit=1`)).history[0]
  }

  /** Sends a request through the proxy; the name of the server that answered. */
  async ask(path = '/', init: RequestInit = {}): Promise<string> {
    const response = await fetch(`${this.cutover.proxy}${path}`, init)
    const body = await response.text()
    return response.status === 200 ? body : `${response.status}`
  }

  /** Sends requests until each of these has answered, ten at least; nobody else may answer. */
  async answeredBy(...names: readonly string[]): Promise<void> {
    const seen = new Set<string>()
    for (let i = 0; i < 10 || (seen.size < names.length && i < 500); i++) {
      const name = await this.ask()
      expect(names).toContain(name)
      seen.add(name)
    }
    expect([...seen].toSorted()).toEqual(names.toSorted())
  }

  private ok({ status, body }: Answer) {
    expect([status, body.detail]).toEqual([200, undefined])
    return body
  }
}

/** Starts what the tests of a file share, and defines `shop` before each of them. */
export function useShop(options: Partial<CutoverOptions> = {}): Shop {
  const shop = new Shop()
  beforeAll(() => shop.start(options))
  afterAll(() => shop.stop())
  beforeEach(() => shop.define())
  afterEach(() => shop.reset())
  return shop
}

/** Asserts that an answer is a problem document of this status and title; returns its body. */
export function problem({ status, headers, body }: Answer, expected: number, title: string) {
  expect([status, body.title, body.detail]).toEqual([expected, title, expect.stringMatching(/\S.{10,}/)])
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/)
  expect([body.status, body.type]).toEqual([expected, expect.stringMatching(/^urn:cutover:problem:[a-z0-9-]+$/)])
  return body
}

export interface RawRequest {
  readonly method?: string
  readonly path: string
  /** As they are: a Host here is the one that is sent, null = none. */
  readonly headers?: Readonly<Record<string, string | null>>
  readonly body?: string | Buffer
}

/** A request as `fetch` would not send it. */
export async function send(base: string, { method = 'GET', path, headers = {}, body }: RawRequest): Promise<Answer> {
  const given = Object.entries(headers).filter((field): field is [string, string] => field[1] !== null)
  // Node sends a DELETE's body without saying how long it is.
  const isFramed = body === undefined || headers['transfer-encoding'] !== undefined
  const framing = isFramed ? {} : { 'content-length': Buffer.byteLength(body) }
  const { hostname, port } = new URL(base)
  const request = http.request({
    hostname,
    port,
    method,
    path,
    headers: { ...framing, ...Object.fromEntries(given) },
    setHost: headers.host !== null,
    agent: false,
  })
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  // Whoever refuses a body need not read it to its end.
  request.on('error', () => undefined)
  request.end(body)
  const [response] = await answered
  const content = await text(response)
  const type = response.headers['content-type'] ?? ''
  const fields = Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)])
  return {
    status: response.statusCode ?? 0,
    headers: new Headers(fields),
    body: type.includes('json') && content !== '' ? JSON.parse(content) : content,
  }
}

/** Runs the real curl; what it printed, and the status. */
export async function curl(...args: readonly string[]): Promise<{ status: number; body: string }> {
  const { stdout } = await promisify(execFile)('curl', ['-s', '-w', '\n%{http_code}', ...args])
  const at = stdout.lastIndexOf('\n')
  return { status: Number(stdout.slice(at + 1)), body: stdout.slice(0, at) }
}
