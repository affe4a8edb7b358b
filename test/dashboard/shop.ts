import { Cutover, type CutoverOptions } from '../support/cutover.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const NAMES = ['blue1', 'blue2', 'green1'] as const

/** One instance with a service `shop`: two servers in blue, which has the traffic, and one in green. */
export class Shop {
  cutover: Cutover
  readonly options: CutoverOptions
  private readonly servers: readonly Upstream[]

  private constructor(cutover: Cutover, options: CutoverOptions, servers: readonly Upstream[]) {
    this.cutover = cutover
    this.options = options
    this.servers = servers
  }

  static async start(options: Partial<CutoverOptions> = {}): Promise<Shop> {
    const servers = await Promise.all(NAMES.map((name) => startUpstream(undefined, { name })))
    const pool = (prefix: string) => ({
      servers: Object.fromEntries(
        servers.filter(({ name }) => name.startsWith(prefix)).map(({ name, url }) => [name, url]),
      ),
    })
    const shop = { pools: { blue: pool('blue'), green: pool('green') }, split: { blue: 100 } }
    const all: CutoverOptions = { services: { shop: { ...shop, health: { interval: '100ms' } } }, ...options }
    return new Shop(await Cutover.start(all), all, servers)
  }

  get url(): string {
    return this.cutover.admin
  }

  async post(path: string, body?: object): Promise<void> {
    const { status } = await this.cutover.api('POST', `/api/${path}`, body)
    if (status >= 300) throw new Error(`POST ${path}: ${status}`)
  }

  switch(to: string): Promise<void> {
    return this.post('services/shop/switch?wait=10s', { to })
  }

  /** The newest entry of the history. */
  async change() {
    return (await this.cutover.api('GET', '/api/services/shop/history')).body.history[0]
  }

  async stop(): Promise<void> {
    await this.cutover.stop('SIGKILL')
    await Promise.all(this.servers.map((server) => server.close()))
  }
}
