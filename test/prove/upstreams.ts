/**
 * The servers of the proof, in a process of their own: two pools of two, told by messages to listen and to stop.
 * A request is answered with its server's name once its body has been read whole.
 */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { monotonicMs } from '../support/monotonic.ts'
import type { FromUpstreams, ToUpstreams } from './upstream-process.ts'
import { POOLS } from './upstream-process.ts'

/** This many last arrivals are remembered, to know how many of them came too late. */
const REMEMBERED = 1_000
/** One request in so many takes a while, so that a drain has something to wait for. */
const SLOW_ONE_IN = 100
const SLOW_MS = 5

class Server {
  readonly name: string
  port = 0
  private readonly server: http.Server
  private arrivals: number[] = []
  private requests = 0
  private underWay = 0

  constructor(name: string) {
    this.name = name
    this.server = http.createServer((request, response) => this.answer(request, response))
    // Only the proxy decides when an idle connection ends; nothing here is to be explained by a race about that.
    this.server.keepAliveTimeout = 60_000
  }

  /** Listens, where it listened before, and resolves once a health check has been answered. */
  async open(): Promise<void> {
    if (!this.server.listening) {
      this.arrivals = []
      this.server.listen(this.port, '127.0.0.1')
      await once(this.server, 'listening')
      this.port = (this.server.address() as AddressInfo).port
    }
  }

  probed(): Promise<unknown> {
    return once(this.server, 'probed')
  }

  /** Stops listening and breaks every connection; tells what a drained server should not have had. */
  close(drainedAt: number): { late: number; underWay: number } {
    const found = { late: this.arrivals.filter((at) => at > drainedAt).length, underWay: this.underWay }
    this.server.close()
    this.server.closeAllConnections()
    return found
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    if (request.url === '/healthz') {
      response.end(this.name, () => this.server.emit('probed'))
      return
    }
    this.underWay++
    this.requests++
    if (this.arrivals.push(monotonicMs()) === 2 * REMEMBERED) this.arrivals = this.arrivals.slice(REMEMBERED)
    response.once('close', () => this.underWay--)
    let body = ''
    request.setEncoding('latin1')
    request.on('data', (chunk: string) => {
      body += chunk
    })
    const slow = this.requests % SLOW_ONE_IN === 0
    request.on('end', () => {
      const whole = request.method === 'GET' || /^order of client \d+$/.test(body)
      const end = () => response.writeHead(whole ? 200 : 400, { 'content-length': this.name.length }).end(this.name)
      if (slow) setTimeout(end, SLOW_MS)
      else end()
    })
  }
}

const pools = new Map(POOLS.map((pool) => [pool, [new Server(`${pool}1`), new Server(`${pool}2`)]]))
const tell = (message: FromUpstreams) => process.send?.(message)

process.on('disconnect', () => process.exit())
// Ctrl-C reaches the whole group; whoever started this process ends it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
process.on('message', async ({ type, pool, drainedAt }: ToUpstreams) => {
  const servers = pools.get(pool) ?? []
  if (type === 'close') {
    const found = servers.map((server) => server.close(drainedAt))
    const sum = (of: 'late' | 'underWay') => found.reduce((total, each) => total + each[of], 0)
    tell({ type: 'closed', pool, late: sum('late'), underWay: sum('underWay') })
    return
  }
  await Promise.all(servers.map((server) => server.open()))
  tell({ type: 'listening', pool, ports: Object.fromEntries(servers.map(({ name, port }) => [name, port])) })
  await Promise.all(servers.map((server) => server.probed()))
  tell({ type: 'probed', pool })
})
