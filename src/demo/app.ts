import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { WebSocketServer } from 'ws'

export interface AppOptions {
  readonly name: string
  readonly version: string
  /** 0 = any free port. */
  readonly port: number
  /** Default: 127.0.0.1. */
  readonly host?: string
}

export interface App {
  readonly url: string
  /** Stops listening and closes all connections, including those with requests in flight. */
  close(): Promise<void>
}

interface Context {
  readonly name: string
  readonly version: string
  readonly query: URLSearchParams
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

const MEGABYTE = Buffer.alloc(1024 * 1024, '.')

/**
 * Starts an example app. It answers any request with an echo of the request and the app's name and version, and serves
 * `/healthz`, `/fail?rate=` (the share of requests that fail from then on), `/events`, `/slow?ms=`, `/download?mb=` and the WebSocket `/ws`. Rejects if it cannot listen.
 */
export async function startApp({ name, version, port, host = '127.0.0.1' }: AppOptions): Promise<App> {
  let healthy = true
  let failRate = 0
  const routes: Readonly<Record<string, (context: Context) => unknown>> = {
    '/healthz': ({ response }) => answer(response, healthy ? 200 : 503, { name, version, healthy }),
    '/healthz/ok': (context) => setHealth(context, true),
    '/healthz/fail': (context) => setHealth(context, false),
    '/fail': fail,
    '/events': events,
    '/slow': slow,
    '/download': download,
  }
  function setHealth({ request, response }: Context, value: boolean): void {
    if (request.method === 'POST') {
      healthy = value
      answer(response, 200, { name, version, healthy })
    } else answer(response, 405, { error: 'use POST' })
  }

  function fail({ query, request, response }: Context): void {
    const rate = Number(query.get('rate') ?? 1)
    if (request.method !== 'POST') answer(response, 405, { error: 'use POST' })
    else if (!(rate >= 0 && rate <= 1)) answer(response, 400, { error: 'rate is a number from 0 to 1' })
    else {
      failRate = rate
      answer(response, 200, { name, version, failRate })
    }
  }
  function echoOrFail(context: Context): void {
    if (Math.random() >= failRate) echo(context)
    else {
      context.request.resume()
      answer(context.response, 500, { name, version, error: 'as POST /fail has asked for' })
    }
  }

  const server = http.createServer({ keepAliveTimeout: 5000 }, (request, response) => {
    const { pathname, query } = split(request.url ?? '/')
    const route = Object.hasOwn(routes, pathname) ? routes[pathname] : echoOrFail
    route?.({ name, version, query, request, response })
  })
  const sockets = new WebSocketServer({ server, path: '/ws' })
  sockets.on('error', () => {}) // ws repeats the errors of the server, which are handled there.
  sockets.on('connection', (socket) => {
    socket.send(`hello from ${name}, version ${version}`)
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    socket.on('error', () => socket.terminate())
  })

  server.listen(port, host)
  await once(server, 'listening')
  const { port: actualPort } = server.address() as AddressInfo
  return {
    url: `http://${host}:${actualPort}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets.clients) socket.terminate()
      server.closeAllConnections()
      await closed
    },
  }
}

/** Splits a request target by hand: a URL parser would refuse or rewrite targets that the echo must show unchanged. */
function split(target: string): { pathname: string; query: URLSearchParams } {
  const [pathname = '/', ...query] = target.split('?')
  return { pathname, query: new URLSearchParams(query.join('?')) }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body, null, 2)}\n`)
}

function echo({ name, version, request, response }: Context): void {
  let bodyBytes = 0
  request.on('data', (chunk: Buffer) => {
    bodyBytes += chunk.length
  })
  request.on('end', () => {
    const { method, url: path, headers } = request
    answer(response, 200, { name, version, method, path, headers, bodyBytes })
  })
}

function events({ name, version, response }: Context): void {
  let count = 0
  const send = (): void => {
    count++
    response.write(`id: ${count}\ndata: ${JSON.stringify({ name, version, count })}\n\n`)
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  send()
  const timer = setInterval(send, 1000)
  response.on('close', () => clearInterval(timer))
}

function slow({ name, version, query, response }: Context): unknown {
  const ms = amount(query.get('ms') ?? '2000')
  if (ms === null) return answer(response, 400, { error: 'ms must be a number from 0 to 100000' })
  const timer = setTimeout(() => answer(response, 200, { name, version, ms }), ms)
  return response.on('close', () => clearTimeout(timer))
}

async function download({ query, response }: Context): Promise<void> {
  const mb = amount(query.get('mb') ?? '10')
  if (mb === null) return answer(response, 400, { error: 'mb must be a number from 0 to 100000' })
  const bytes = Math.round(mb * MEGABYTE.length)
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes })
  const chunks = function* () {
    for (let left = bytes; left > 0; left -= MEGABYTE.length) yield MEGABYTE.subarray(0, left)
  }
  // Fails only if the client leaves, and then no answer can reach it.
  await pipeline(Readable.from(chunks()), response).catch(() => {})
}

function amount(text: string): number | null {
  const value = Number(text)
  return text.trim() !== '' && value >= 0 && value <= 100_000 ? value : null
}
