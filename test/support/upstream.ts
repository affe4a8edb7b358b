import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import http from 'node:http'
import net from 'node:net'
import { text } from 'node:stream/consumers'

export interface RecordedRequest {
  readonly method: string
  /** Request target, byte for byte. */
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  /** The whole body, once the default handler has read it; other handlers may fill it in. */
  body: string | null
}

/** Answers one request. Reads the body only if it wants to, so that backpressure stays its own affair. */
export type Handler = (request: IncomingMessage, response: ServerResponse, recorded: RecordedRequest) => unknown

export interface UpstreamOptions {
  /** Stands in the `x-upstream` header of every answer, and is the default handler's whole body. */
  readonly name?: string
  /** Default: any free one. */
  readonly port?: number
}

/** A listener on 127.0.0.1 with its connections; every kind of server here is one. */
export class Listening {
  readonly #server: net.Server
  readonly port: number
  /** Open now, upgraded ones included. */
  readonly sockets = new Set<net.Socket>()
  /** Connections accepted so far. */
  accepted = 0

  /** Of a server that listens already. */
  constructor(server: net.Server) {
    this.#server = server
    this.port = (server.address() as net.AddressInfo).port
    server.on('connection', (socket: net.Socket) => {
      this.accepted++
      this.sockets.add(socket)
      socket.once('close', () => this.sockets.delete(socket))
    })
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Refuses new connections from now on, and resolves when those that are busy have ended by themselves. */
  async closeListener(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.sockets) await new Promise((resolve) => socket.once('close', resolve))
  }

  /** Stops listening and destroys every connection. */
  close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    return this.closeListener()
  }
}

/** An HTTP server that keeps a record of what reaches it. */
export class Upstream extends Listening {
  readonly name: string
  /** For `upgrade` listeners, timeouts and the like. */
  readonly server: http.Server
  /** In order of arrival, health checks left out. */
  readonly requests: RecordedRequest[] = []
  /** Status that GET /healthz answers; set it to 503 to fail. */
  health = 200
  /** Health checks answered so far. */
  probes = 0

  /** Of a server that listens already. */
  constructor(server: http.Server, name: string, handler: Handler) {
    super(server)
    this.server = server
    this.name = name
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const { method = '', url = '', headers, rawHeaders } = request
      // Node closes a connection that ends its work after the listener has closed only when its keep-alive is over.
      response.once('close', () => server.listening || server.closeIdleConnections())
      response.setHeader('x-upstream', name)
      if (method === 'GET' && url === '/healthz') {
        this.probes++
        response.writeHead(this.health).end(name)
        return
      }
      const recorded: RecordedRequest = { method, url, headers, rawHeaders, body: null }
      this.requests.push(recorded)
      server.emit('recorded')
      handler(request, response, recorded)
    })
  }

  /** Resolves when this many requests have arrived in all. */
  async arrived(count: number): Promise<void> {
    while (this.requests.length < count) await once(this.server, 'recorded')
  }
}

/**
 * Starts an HTTP server that records its requests. Without a handler it reads the whole body and answers 200 with its
 * name. GET /healthz is answered past the handler and the record, with the status in `health`.
 */
export async function startUpstream(handler: Handler = answerName, options: UpstreamOptions = {}): Promise<Upstream> {
  const { name = 'upstream', port = 0 } = options
  return new Upstream(await listen(http.createServer(), port), name, handler)
}

/** Starts a TCP server that hands over every connection as it comes: for what no HTTP server would say. */
export async function startRawUpstream(onSocket: (socket: net.Socket) => void): Promise<Listening> {
  const server = net.createServer((socket) => {
    // A reset by the other side is part of many such tests; what matters shows on that side.
    socket.on('error', () => {})
    onSocket(socket)
  })
  return new Listening(await listen(server, 0))
}

/**
 * A port that nothing listens on. It is below those that the system gives to connections and to listeners on port 0, so that
 * none of these takes it before the test does.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    nextPort = nextPort >= LAST_PORT ? FIRST_PORT : nextPort + 1
    const port = nextPort
    const server = net.createServer()
    const isFree = await listen(server, port).then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    await new Promise((closed) => server.close(closed))
    return port
  }
}

const FIRST_PORT = 20_000
const LAST_PORT = 32_000
/** Each process of tests begins elsewhere. */
let nextPort = FIRST_PORT + ((process.pid * 379) % (LAST_PORT - FIRST_PORT))

async function answerName(request: IncomingMessage, response: ServerResponse, recorded: RecordedRequest) {
  try {
    recorded.body = await text(request)
  } catch {
    return // The client broke off; there is nobody to answer.
  }
  response.end(String(response.getHeader('x-upstream')))
}

async function listen<T extends net.Server>(server: T, port: number): Promise<T> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}
