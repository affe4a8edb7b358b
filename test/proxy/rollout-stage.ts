import http, { type ServerResponse } from 'node:http'
import type { ToControl, ToProxy } from '../../src/model/messages.ts'
import type { FuseSpec } from '../../src/model/rollout/table-rollout.ts'
import { serversOf } from '../../src/model/servers.ts'
import type { JsonObject } from '../../src/model/state.ts'
import { compileService, type TableService } from '../../src/model/table.ts'
import { DataPlane } from '../../src/proxy/data-plane.ts'
import { resolved, World } from '../model/support.ts'
import type { Handler, Upstream } from '../support/upstream.ts'
import { endWithAll, upstream } from './support.ts'

export const FUSE: FuseSpec = { windowMs: 10_000, minRequests: 10, errorRate: 0.5, stableMax: 0.1 }

/** Servers by port. */
type Servers = readonly { readonly port: number }[]

export interface Setting {
  readonly stable: Servers
  readonly canary: Servers
  /** Share of the canary in percent. */
  readonly percent: number
  readonly fuse?: Partial<FuseSpec>
  /** More of the service's definition. */
  readonly service?: JsonObject
}

export interface Answer {
  /** 0 = the response broke off, or there was none. */
  readonly status: number
  readonly body: string
  readonly cookies: readonly string[]
}

type Trip = Extract<ToControl, { type: 'fuse' }>

/** A data plane with the service `shop`, which has the pools `stable` and `canary`. */
export class RolloutStage {
  /** What the data plane has sent, in order. */
  readonly sent: ToControl[] = []
  readonly plane: DataPlane
  /** Id of the rollout in the next table; null = none. */
  rollout: string | null = 'r1'
  /** Changes the next tables. */
  edit: (table: TableService) => TableService = (table) => table
  private readonly fuse: FuseSpec
  private readonly world: World
  private readonly agent = new http.Agent({ keepAlive: true })
  private generation = 0
  private port = 0

  private constructor({ stable, canary, percent, fuse, service }: Setting) {
    this.fuse = { ...FUSE, ...fuse }
    const pool = (name: string, servers: Servers) => ({
      servers: Object.fromEntries(servers.map(({ port }, i) => [`${name}${i + 1}`, `http://127.0.0.1:${port}`])),
    })
    const pools = { stable: pool('stable', stable), canary: pool('canary', canary) }
    const definition = { pools, split: { stable: 100 - percent, canary: percent }, health: 'off', ...service }
    this.world = new World({ shop: resolved(definition) })
    this.plane = new DataPlane(
      {
        trustedProxies: [],
        forwarding: { forwarded: false, traceSample: 1 },
        tracing: null,
        limits: {
          headerBytes: 16_384,
          urlBytes: 8_192,
          bodyBytes: 0,
          connections: 0,
          requestsPerConnection: 0,
          streams: 100,
          held: 0,
        },
        timeouts: { headerMs: 10_000, requestMs: 0, keepAliveMs: 75_000, idleBodyMs: 60_000, tunnelMs: 3_600_000 },
      },
      null,
      (message) => void this.sent.push(structuredClone(message)),
      { error: () => undefined, warn: () => undefined, info: () => undefined },
    )
  }

  static async start(setting: Setting): Promise<RolloutStage> {
    const stage = new RolloutStage(setting)
    stage.put()
    const { address } = await stage.plane.listen({ host: '127.0.0.1', port: 0 })
    stage.port = (address as { port: number }).port
    endWithAll(() => {
      stage.agent.destroy()
      stage.plane.receive({ type: 'stop', acceptForMs: 0, timeoutMs: 0, tunnels: 'atOnce' })
    })
    return stage
  }

  /** Puts a table in force, in which the canary has `percent`; absent = as before. `whole`: as to a new proxy. */
  put({ percent, whole = false }: { percent?: number; whole?: boolean } = {}): void {
    if (percent !== undefined)
      this.world.must({ kind: 'split', service: 'shop', split: { stable: 100 - percent, canary: percent } })
    const base = this.generation === 0 || whole ? null : this.generation
    const service = this.table()
    const health = service.pools.flatMap(({ servers }) => servers.map(({ key }) => [key, 'up'] as const))
    const change = { base, generation: ++this.generation, services: [service], removed: [] }
    this.receive({ type: 'table', change, health, nowMs: Date.now() })
  }

  /** As control would send it. */
  receive(message: ToProxy): void {
    this.plane.receive(structuredClone(message))
  }

  async ask(path = '/', headers: http.OutgoingHttpHeaders = {}): Promise<Answer> {
    const { promise, resolve } = Promise.withResolvers<Answer>()
    const request = this.request(path, headers, async (response) => {
      let read = ''
      try {
        for await (const piece of response.setEncoding('latin1')) read += piece
        resolve({ status: response.statusCode ?? 0, body: read, cookies: response.headers['set-cookie'] ?? [] })
      } catch {
        resolve({ status: 0, body: read, cookies: [] })
      }
    })
    request.on('error', () => resolve({ status: 0, body: '', cookies: [] }))
    request.end()
    return promise
  }

  /** Begins a request, which is a POST if it has a body. */
  request(path: string, headers: http.OutgoingHttpHeaders, onResponse: (response: http.IncomingMessage) => void) {
    const method = 'content-length' in headers ? 'POST' : 'GET'
    const options = { port: this.port, host: '127.0.0.1', agent: this.agent, method, path, headers }
    return http.request(options, onResponse)
  }

  /** Sends so many requests one after the other. */
  async askTimes(count: number): Promise<readonly Answer[]> {
    const answers: Answer[] = []
    for (let i = 0; i < count; i++) answers.push(await this.ask(`/${i}`))
    return answers
  }

  get trips(): readonly Trip[] {
    return this.sent.filter((message) => message.type === 'fuse')
  }

  /** The keys and counts of the last `applied`. */
  get busy(): Readonly<Record<string, number>> | undefined {
    return this.sent.findLast((message) => message.type === 'applied')?.busy
  }

  keysOf(pool: string): readonly string[] {
    return serversOf(this.world.service(), pool).map(({ key }) => key)
  }

  private table(): TableService {
    const service = this.world.service()
    if (this.rollout === null) return this.edit(compileService(service, 'key'))
    const onStoreLoss = { afterMs: 30_000, action: 'stable' as const }
    const rollout = {
      id: this.rollout,
      from: 'stable',
      to: 'canary',
      fuse: this.fuse,
      onStoreLoss,
      routes: [],
      mirror: null,
    }
    return this.edit(compileService({ ...service, rollout }, 'key'))
  }
}

export const fails: Handler = (_request, response) => response.writeHead(500).end('canary')
/** Answers `/500` with that status, and so on. */
export const asAsked: Handler = ({ url = '' }, response) =>
  response.writeHead(url.length === 4 ? Number(url.slice(1)) : 200).end('canary')

export const bodies = (answers: readonly Answer[]) => [
  ...new Set(answers.map(({ status, body }) => `${status} ${body}`)),
]
export const stableServer = () => upstream(undefined, 'stable')

/** A rollout whose first failure trips its fuse. */
export const trippingAtOnce = async (percent: number, canary: { port: number }, service: JsonObject = {}) =>
  RolloutStage.start({
    stable: [await stableServer()],
    canary: [canary],
    percent,
    service,
    fuse: { minRequests: 1, errorRate: 0.01 },
  })

/** A server whose requests wait until they are answered here, by path. */
export async function holding(): Promise<{ server: Upstream; held: Map<string, ServerResponse> }> {
  const held = new Map<string, ServerResponse>()
  const server = await upstream(({ url = '' }, response) => void held.set(url, response))
  return { server, held }
}
