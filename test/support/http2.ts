import { once } from 'node:events'
import http2 from 'node:http2'
import { buffer } from 'node:stream/consumers'
import { Listening } from './upstream.ts'

export interface Answer2 {
  readonly status: number
  readonly headers: http2.IncomingHttpHeaders
  readonly raw: readonly string[]
  readonly body: Buffer
  readonly trailers: http2.IncomingHttpHeaders
  /** Error code with which the stream ended; 0 = in good order. */
  readonly reset: number
  /** Statuses and headers of interim responses. */
  readonly interim: readonly http2.IncomingHttpHeaders[]
}

export type Handler2 = (
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  raw: readonly string[],
) => unknown

/** A client's connection of HTTP/2. */
export class Client2 {
  readonly session: http2.ClientHttp2Session
  /** The last stream that the server has processed or may process yet, by its GOAWAY; infinity = it has sent none. */
  lastStreamId = Number.POSITIVE_INFINITY

  private constructor(session: http2.ClientHttp2Session) {
    this.session = session
    session.on('error', () => undefined)
    session.on('goaway', (_code, lastStreamId) => {
      this.lastStreamId = lastStreamId
    })
  }

  /** Resolves once the server's settings have come. Rejects when the connection fails or closes before that. */
  static async connect(
    url: string,
    options: http2.ClientSessionOptions | http2.SecureClientSessionOptions = {},
  ): Promise<Client2> {
    const client = new Client2(http2.connect(url, options))
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    client.session.once('remoteSettings', () => resolve())
    client.session.once('error', reject)
    client.session.once('close', () => reject(new Error('closed before its settings came')))
    await promise
    return client
  }

  /** Whether requests can be sent on it. */
  get isOpen(): boolean {
    return !this.session.closed && !this.session.destroyed
  }

  /** Opens a stream; its body is sent by the caller. */
  open(headers: http2.OutgoingHttpHeaders, options: http2.ClientSessionRequestOptions = {}): http2.ClientHttp2Stream {
    return this.session.request(headers, options).on('error', () => undefined)
  }

  /** Sends a request, and resolves when its stream has closed. */
  ask(
    headers: http2.OutgoingHttpHeaders,
    body?: Buffer | string,
    trailers?: http2.OutgoingHttpHeaders,
  ): Promise<Answer2> {
    const hasBody = body !== undefined
    const stream = this.open(headers, { endStream: !hasBody, waitForTrailers: trailers !== undefined })
    if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    const answer = answerOf(stream)
    if (hasBody) stream.end(body)
    return answer
  }

  get(path: string, headers: http2.OutgoingHttpHeaders = {}): Promise<Answer2> {
    return this.ask({ ':path': path, ...headers })
  }

  close(): void {
    // Not from within a callback of the session: node:http2 might free a stream twice, and end the process.
    setImmediate(() => this.session.destroy())
  }
}

/** Resolves with what has come on a stream when it has closed. */
export async function answerOf(stream: http2.ClientHttp2Stream): Promise<Answer2> {
  let headers: http2.IncomingHttpHeaders = {}
  let raw: readonly string[] = []
  let trailers: http2.IncomingHttpHeaders = {}
  const interim: http2.IncomingHttpHeaders[] = []
  const chunks: Buffer[] = []
  stream.on('headers', (given) => interim.push(given))
  stream.on('response', (given, _flags, pairs) => {
    headers = given
    raw = pairs
  })
  stream.on('trailers', (given) => {
    trailers = given
  })
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  if (!stream.closed || !stream.destroyed) await new Promise((resolve) => stream.once('close', resolve))
  const status = Number(headers[':status'] ?? 0)
  return { status, headers, raw, body: Buffer.concat(chunks), trailers, reset: stream.rstCode, interim }
}

export interface Recorded2 {
  readonly method: string
  readonly path: string
  readonly headers: http2.IncomingHttpHeaders
  readonly raw: readonly string[]
  /** The whole body, once it has come; null = it has not, or broke off. */
  body: Buffer | null
  trailers: http2.IncomingHttpHeaders
  /** Error code with which the stream has closed; null = it is open. */
  reset: number | null
}

/** A server of HTTP/2 without TLS that keeps a record of what reaches it. */
export class Upstream2 extends Listening {
  readonly server: http2.Http2Server
  readonly sessions = new Set<http2.ServerHttp2Session>()
  readonly requests: Recorded2[] = []

  constructor(server: http2.Http2Server, name: string, handler: Handler2) {
    super(server)
    this.server = server
    server.on('session', (session) => {
      this.sessions.add(session)
      session.on('error', () => undefined)
      session.once('close', () => this.sessions.delete(session))
    })
    server.on('stream', (stream: http2.ServerHttp2Stream, headers, _flags, raw) => {
      stream.on('error', () => undefined)
      const { ':method': method = '', ':path': path = '' } = headers
      if (path === '/healthz') {
        stream.respond({ ':status': 200 })
        stream.end(name)
        return
      }
      const recorded: Recorded2 = { method, path, headers, raw, body: null, trailers: {}, reset: null }
      this.requests.push(recorded)
      stream.on('trailers', (given: http2.IncomingHttpHeaders) => {
        recorded.trailers = given
      })
      stream.once('close', () => {
        recorded.reset = stream.rstCode
        server.emit('ended')
      })
      server.emit('recorded')
      handler(stream, headers, raw ?? [])
    })
  }

  override get url(): string {
    return `h2c://127.0.0.1:${this.port}`
  }

  /** Resolves when this many requests have arrived in all. */
  async arrived(count: number): Promise<void> {
    while (this.requests.length < count) await once(this.server, 'recorded')
  }

  /** Resolves with a request once its stream has closed. */
  async ended(index: number): Promise<Recorded2> {
    await this.arrived(index + 1)
    const request = this.requests[index] as Recorded2
    while (request.reset === null) await once(this.server, 'ended')
    return request
  }

  /** Stops listening, and sends each client a GOAWAY; resolves when all connections have closed. */
  async shutDown(): Promise<void> {
    for (const session of this.sessions) session.close()
    await this.closeListener()
  }
}

/** Starts a server of HTTP/2. Without a handler it reads the whole body and answers 200 with its name. */
export async function startUpstream2(
  handler?: Handler2,
  { name = 'upstream', ...options }: http2.ServerOptions & { readonly name?: string } = {},
): Promise<Upstream2> {
  const server = http2.createServer(options)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const upstream: Upstream2 = new Upstream2(
    server,
    name,
    handler ??
      (async (stream) => {
        const recorded = upstream.requests.at(-1) as Recorded2
        try {
          recorded.body = await buffer(stream)
        } catch {
          return // The client broke off; there is nobody to answer.
        }
        if (stream.destroyed || stream.aborted) return
        stream.respond({ ':status': 200, 'x-upstream': name })
        stream.end(name)
      }),
  )
  return upstream
}
