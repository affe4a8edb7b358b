import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { peerOf } from './peer.ts'

/** Max time until the head of a request is complete, from the start of the connection or of the request. */
const HEAD_MS = 10_000
/** Max time until the body is complete; it has at most a megabyte. */
const BODY_MS = 10_000
/** Max time between two pieces of a body that is passed on as it arrives. */
const IDLE_BODY_MS = 60_000
/** Max time between two requests; longer than the usual intervals of scraping and polling. */
const KEEP_ALIVE_MS = 72_000
const CHECK_MS = 1_000

const TOO_SLOW = [
  'HTTP/1.1 408 Request Timeout',
  'Content-Type: application/problem+json',
  'Connection: close',
  '',
  '{"type":"urn:cutover:problem:too-slow","title":"Too slow","status":408,"detail":"The body did not come in time; send it within 10 seconds.","help":"/docs/problems/too-slow"}',
].join('\r\n')

/** Closes a server and its connections. Fastify does not close a server that it did not make listen. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}

/** The listener of the API, or the one of previews with an origin of their own. */
export type AdminListener = 'admin' | 'preview'

interface Connection {
  readonly peer: string
  readonly listener: AdminListener
  /** Time when it was opened, or last began or ended a request; monotonic ms. */
  activeAt: number
  /** Authorized requests in progress. */
  held: number
  /** Whether there has been an authorized request. */
  isProven: boolean
  /** The last request. `grownAt`: when its body last grew, monotonic ms; `bytes`: bytes read from the connection by then. */
  request: IncomingMessage | null
  isStreamed: boolean
  grownAt: number
  bytes: number
}

/**
 * The connections of the admin API: a limited number, none of them silent for long, so that they leave the descriptors to
 * the data plane and the probes. For each one beyond the limit, one without an authorized request in progress is closed:
 * first those that never had one, then the longest silent one of the address with the most. So an operator can connect
 * during a flood, even from the same address.
 */
export class AdminConnections {
  /** Connections closed because there were too many. */
  refused = 0
  private readonly max: number
  private readonly open = new Map<Socket, Connection>()
  private readonly served = new Set<AdminListener>()

  /** `max`: 0 = no limit. */
  constructor(max: number) {
    this.max = max === 0 ? Number.POSITIVE_INFINITY : max
  }

  /** Open connections by listener. */
  get counts(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const listener of this.served) counts[listener] = 0
    for (const { listener } of this.open.values()) counts[listener] = (counts[listener] ?? 0) + 1
    return counts
  }

  /** Makes a server whose connections are counted and limited here. */
  serve(listener: AdminListener, handler: RequestListener): Server {
    this.served.add(listener)
    const options = { headersTimeout: HEAD_MS, requestTimeout: 0, connectionsCheckingInterval: CHECK_MS }
    const server = createServer({ ...options, keepAlive: true, keepAliveTimeout: KEEP_ALIVE_MS })
    server.on('connection', (socket: Socket) => this.opened(listener, socket))
    // Before the handler, which may end the request at once.
    server.on('request', (request) => this.began(request))
    server.on('request', handler)
    const timer = setInterval(() => this.endSlowBodies(), CHECK_MS).unref()
    server.once('close', () => clearInterval(timer))
    return server
  }

  /** Protects the connection of an authorized request until it is answered. `isStreamed`: its body is passed on. */
  hold(request: IncomingMessage, response: ServerResponse, isStreamed: boolean): void {
    const connection = this.open.get(request.socket)
    if (connection === undefined) return
    connection.isStreamed = isStreamed
    connection.isProven = true
    connection.held++
    response.once('close', () => {
      connection.held--
      connection.activeAt = performance.now()
    })
  }

  private opened(listener: AdminListener, socket: Socket): void {
    if (this.open.size >= this.max) {
      this.refused++
      const silent = this.leastNeeded()
      if (silent === null) {
        socket.destroy()
        return
      }
      silent.destroy()
      this.open.delete(silent)
    }
    const now = performance.now()
    const peer = peerOf(socket.remoteAddress)
    const fresh = { held: 0, isProven: false, request: null, isStreamed: false, grownAt: now, bytes: 0 }
    this.open.set(socket, { peer, listener, activeAt: now, ...fresh })
    socket.once('close', () => this.open.delete(socket))
  }

  private began(request: IncomingMessage): void {
    const connection = this.open.get(request.socket)
    if (connection === undefined) return
    const now = performance.now()
    Object.assign(connection, { request, isStreamed: false, activeAt: now, grownAt: now })
    connection.bytes = request.socket.bytesRead
  }

  private leastNeeded(): Socket | null {
    const perPeer = new Map<string, number>()
    for (const { peer } of this.open.values()) perPeer.set(peer, (perPeer.get(peer) ?? 0) + 1)
    const share = ({ peer }: Connection): number => perPeer.get(peer) ?? 0
    let least: readonly [socket: Socket, connection: Connection] | null = null
    for (const each of this.open) {
      if (each[1].held === 0 && (least === null || givesWayBefore(each[1], least[1], share))) least = each
    }
    return least === null ? null : least[0]
  }

  private endSlowBodies(): void {
    const now = performance.now()
    for (const [socket, connection] of this.open) {
      const { request, isStreamed, bytes, grownAt } = connection
      if (request === null || request.complete) continue
      if (isStreamed && socket.bytesRead > bytes) {
        connection.bytes = socket.bytesRead
        connection.grownAt = now
      } else if (now - grownAt > (isStreamed ? IDLE_BODY_MS : BODY_MS)) {
        // A 408 may only be sent while there is no answer yet.
        if (connection.held > 0 && !isStreamed) socket.end(TOO_SLOW)
        socket.destroySoon()
      }
    }
  }
}

function givesWayBefore(one: Connection, other: Connection, share: (connection: Connection) => number): boolean {
  if (one.isProven !== other.isProven) return other.isProven
  return share(one) > share(other) || (share(one) === share(other) && one.activeAt < other.activeAt)
}
