import type { IncomingMessage, ServerResponse } from 'node:http'
import { BLUE, GREEN } from '../fleet/app.ts'
import { expectNoneFailed, Fleet, INSTANCES } from '../fleet/support.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/** How long a server takes for an answer, so that clients which wait for it leave the machine time for a browser, ms. */
const ANSWER_MS = 25
const NAMES = [...BLUE, ...GREEN]

/** Three instances on one Redis, a service `shop` of two pools with two servers each, and steady load at every instance. */
export class ShopFleet {
  readonly fleet: Fleet
  private readonly servers: readonly Upstream[]
  private readonly held: ServerResponse[]
  private loads: readonly Load[] = []

  private constructor(fleet: Fleet, servers: readonly Upstream[], held: ServerResponse[]) {
    this.fleet = fleet
    this.servers = servers
    this.held = held
  }

  static async start(): Promise<ShopFleet> {
    const held: ServerResponse[] = []
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      request.resume()
      if (request.url?.startsWith('/hold')) held.push(response)
      else setTimeout(() => response.end(response.getHeader('x-upstream')), ANSWER_MS)
    }
    const servers = await Promise.all(NAMES.map((name) => startUpstream(answer, { name })))
    const pool = (names: readonly string[]) => ({
      servers: Object.fromEntries(
        servers.filter(({ name }) => names.includes(name)).map(({ name, url }) => [name, url]),
      ),
    })
    const services = {
      shop: { pools: { blue: pool(BLUE), green: pool(GREEN) }, split: { blue: 100 }, health: { interval: '200ms' } },
    }
    return new ShopFleet(await Fleet.start({ services, proxy: { workers: 1 } }), servers, held)
  }

  /** Address of the page at instance a. */
  get url(): string {
    return this.fleet.get('a').admin
  }

  /** Puts the load on. */
  load(): void {
    const urls = INSTANCES.map((name) => `${this.fleet.get(name).proxy}/`)
    this.loads = urls.map((url) => new Load({ url, clients: 2, names: NAMES, pauseMs: 15 }))
  }

  /** Takes the load off. Fails if a request has failed at any instance. */
  async endTest(): Promise<void> {
    this.release()
    const loads = this.loads
    this.loads = []
    for (const figures of await Promise.all(loads.map((each) => each.stop()))) expectNoneFailed(figures)
    await this.unfreeze()
    await this.fleet.reset()
  }

  /** Sends a request through another instance than that of the page; a server holds it until `release`. Its status by then. */
  async hold(): Promise<{ readonly status: Promise<number> }> {
    const before = this.held.length
    const status = fetch(`${this.fleet.get('b').proxy}/hold`).then((response) => response.status)
    await until(() => this.held.length > before)
    return { status }
  }

  release(): void {
    for (const response of this.held.splice(0)) response.end('held')
  }

  /** What the API of another instance than that of the page says of the service. */
  async shop() {
    return (await this.fleet.get('c').api('GET', '/api/services/shop')).body
  }

  async split(): Promise<Record<string, number>> {
    const pools: { name: string; share: number }[] = (await this.shop()).pools
    return Object.fromEntries(pools.map(({ name, share }) => [name, share]))
  }

  /** The newest entry of the history. */
  async change() {
    return (await this.fleet.get('c').api('GET', '/api/services/shop/history')).body.history[0]
  }

  async stop(): Promise<void> {
    await Promise.all(this.loads.map((each) => each.stop()))
    await this.fleet.stop()
    await Promise.all(this.servers.map((server) => server.close()))
  }

  private async unfreeze(): Promise<void> {
    const { freeze, mode } = await this.shop()
    if (freeze !== undefined) await this.fleet.get('a').api('POST', '/api/services/shop/unfreeze?wait=10s')
    if (mode !== 'serving') await this.fleet.get('a').api('POST', '/api/services/shop/resume?wait=10s')
  }
}
