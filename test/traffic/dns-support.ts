import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Cutover, CutoverOptions } from '../support/cutover.ts'
import { DnsServer } from '../support/dns-server.ts'
import { atEnd } from '../support/endings.ts'
import { type Handler, Upstream } from '../support/upstream.ts'
import { HEALTH, start } from './support.ts'

/** An app at addresses of loopback, all with one port; each server answers with its address. */
export class App {
  readonly port: number
  private readonly servers = new Map<string, Upstream>()

  private constructor(port: number) {
    this.port = port
  }

  /** Starts servers at these addresses. */
  static async start(...addresses: readonly string[]): Promise<App> {
    const [first = '127.0.0.1', ...others] = addresses
    const server = await listening(first, 0)
    const app = new App((server.address() as AddressInfo).port)
    app.keep(first, server)
    for (const address of others) await app.add(address)
    return app
  }

  async add(address: string, handler?: Handler): Promise<Upstream> {
    return this.keep(address, await listening(address, this.port), handler)
  }

  at(address: string): Upstream {
    const server = this.servers.get(address)
    if (server === undefined) throw new Error(`no server at ${address}`)
    return server
  }

  /** Takes no more connections at an address, and closes those there are once they are idle. */
  async remove(address: string): Promise<void> {
    const server = this.at(address)
    this.servers.delete(address)
    await server.close()
  }

  private keep(address: string, server: http.Server, handler?: Handler): Upstream {
    const upstream = new Upstream(
      server,
      address,
      handler ?? ((request, response) => request.resume().on('end', () => response.end(address))),
    )
    this.servers.set(address, upstream)
    atEnd(() => (server.listening ? upstream.close() : undefined))
    return upstream
  }
}

async function listening(address: string, port: number): Promise<http.Server> {
  const server = http.createServer().listen(port, address)
  await once(server, 'listening')
  return server
}

export async function dnsServer(): Promise<DnsServer> {
  const server = await DnsServer.start()
  atEnd(() => server.close())
  return server
}

/** Starts Cutover with one service, whose names are looked up at a DNS server. */
export function startWith(dns: DnsServer, servers: object, more: object = {}, options: Partial<CutoverOptions> = {}) {
  return start({
    services: { shop: serviceOf(servers, more) },
    dns: { servers: [dns.address], timeout: '300ms' },
    ...options,
  })
}

export function serviceOf(servers: object, more: object = {}): object {
  return {
    pools: { main: { servers } },
    health: HEALTH,
    balance: 'roundRobin',
    dns: { all: true, refresh: '1s' },
    ...more,
  }
}

/** The servers as the API shows them, by name. */
export async function serversOf(cutover: Cutover): Promise<Readonly<Record<string, ServerView>>> {
  const { body } = await cutover.api('GET', '/api/services/shop')
  return Object.fromEntries(body.pools[0].servers.map((server: ServerView) => [server.name, server]))
}

export interface ServerView {
  readonly name: string
  readonly url: string
  readonly health: string
  readonly state: string
  readonly weight: number
  readonly backup?: true
  readonly drained: boolean
  readonly inFlight: number
  readonly dns?: {
    readonly name: string
    readonly addresses: string[]
    readonly problem: string | null
    readonly vanishedAt?: string
  }
}

/** Names of the servers that are up and that DNS has. */
export async function upIn(cutover: Cutover): Promise<string[]> {
  const servers = Object.values(await serversOf(cutover))
  return servers
    .filter(({ health, dns }) => health === 'up' && dns?.vanishedAt === undefined)
    .map(({ name }) => name)
    .sort()
}
