import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Upstream } from '../support/upstream.ts'
import { startUpstream } from '../support/upstream.ts'

export const BLUE = ['blue1', 'blue2'] as const
export const GREEN = ['green1', 'green2'] as const

/**
 * The example app: two servers in each of two pools. What is asked for under /hold is answered when the test says so.
 */
export class App {
  readonly servers: Readonly<Record<string, Upstream>>
  private readonly waiting: { readonly response: ServerResponse; readonly server: string }[]

  private constructor(servers: readonly Upstream[], waiting: App['waiting']) {
    this.servers = Object.fromEntries(servers.map((server) => [server.name, server]))
    this.waiting = waiting
  }

  static async start(): Promise<App> {
    const waiting: { response: ServerResponse; server: string }[] = []
    const starts = [...BLUE, ...GREEN].map((name) => {
      const handler = (request: IncomingMessage, response: ServerResponse) => {
        request.resume()
        if (request.url?.includes('/hold')) waiting.push({ response, server: name })
        else response.end(name)
      }
      return startUpstream(handler, { name })
    })
    return new App(await Promise.all(starts), waiting)
  }

  /** Requests that reached these servers so far. */
  count(names: readonly string[]): number {
    return names.reduce((sum, name) => sum + (this.servers[name]?.requests.length ?? 0), 0)
  }

  /** Requests held, at one server or at all. */
  held(server?: string): number {
    return this.waiting.filter((each) => server === undefined || each.server === server).length
  }

  /** Answers what is held. */
  release(): void {
    for (const { response, server } of this.waiting.splice(0)) response.end(server)
  }

  async stop(): Promise<void> {
    this.release()
    await Promise.all(Object.values(this.servers).map((server) => server.close()))
  }

  /** As the configuration has it. */
  pools(): object {
    const pool = (names: readonly string[]) => ({
      servers: Object.fromEntries(names.map((name) => [name, this.servers[name]?.url])),
    })
    return { blue: pool(BLUE), green: pool(GREEN) }
  }

  /** A service of it, all on blue. */
  service(more: object = {}): object {
    const policies = { balance: 'roundRobin', health: { interval: '200ms' } }
    return { pools: this.pools(), split: { blue: 100 }, ...policies, ...more }
  }
}
