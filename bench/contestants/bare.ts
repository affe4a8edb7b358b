/**
 * The minimal proxy: node:http in front, undici's dispatch behind, streaming both ways with backpressure, without any
 * feature. The difference to Cutover is the cost of Cutover's features.
 * Usage: node bare.ts PORT UPSTREAM_PORT
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type Dispatcher, Pool } from 'undici'

const [port, upstreamPort] = process.argv.slice(2)
const pool = new Pool(`http://127.0.0.1:${upstreamPort}`)

/** Fields that undici refuses or sets itself, and fields that a proxy must not forward. */
const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'expect'])

class Exchange implements Dispatcher.DispatchHandler {
  #response: ServerResponse
  #controller: Dispatcher.DispatchController | undefined
  #ended = false

  constructor(response: ServerResponse) {
    this.#response = response
    response.on('drain', () => this.#controller?.resume())
    response.on('close', () => {
      if (!this.#ended) this.#controller?.abort(new Error('the client left'))
    })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    const raw = controller.rawHeaders as Buffer[]
    const headers: string[] = []
    for (let i = 0; i + 1 < raw.length; i += 2) {
      const name = (raw[i] as Buffer).toString('latin1')
      if (!hopByHop.has(name.toLowerCase())) headers.push(name, (raw[i + 1] as Buffer).toString('latin1'))
    }
    this.#response.writeHead(status, headers)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#response.write(chunk)) controller.pause()
  }

  onResponseEnd(): void {
    this.#ended = true
    this.#response.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController, _error: Error): void {
    this.#ended = true
    if (this.#response.headersSent) this.#response.destroy()
    else this.#response.writeHead(502).end()
  }
}

function forwardedHeaders(request: IncomingMessage): string[] {
  const raw = request.rawHeaders
  const headers: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string
    if (!hopByHop.has(name.toLowerCase())) headers.push(name, raw[i + 1] as string)
  }
  return headers
}

function hasBody(request: IncomingMessage): boolean {
  return 'transfer-encoding' in request.headers || (request.headers['content-length'] ?? '0') !== '0'
}

createServer((request, response) => {
  pool.dispatch(
    {
      path: request.url as string,
      method: request.method as Dispatcher.HttpMethod,
      headers: forwardedHeaders(request),
      body: hasBody(request) ? request : null,
      reset: false,
    },
    new Exchange(response),
  )
}).listen(Number(port), '127.0.0.1')
