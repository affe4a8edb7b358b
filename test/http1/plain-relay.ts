import { EventEmitter, once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Deadlines } from '../../src/http1/deadlines.ts'
import { CONNECTION, EXPECT, FieldNames, KEEP_ALIVE, TRANSFER_ENCODING, UPGRADE } from '../../src/http1/field-names.ts'
import type { Fields } from '../../src/http1/fields.ts'
import { fieldLines, passedLines, statusLine } from '../../src/http1/head-text.ts'
import { InboundConnection, type InboundTimeouts } from '../../src/http1/inbound-connection.ts'
import type { BodyTaker, InboundRequest, RequestOwner } from '../../src/http1/inbound-request.ts'
import { type CallFailure, type CallHandler, OutboundCall, type ResponseStart } from '../../src/http1/outbound-call.ts'
import { OutboundPool } from '../../src/http1/outbound-pool.ts'
import type { MessageRefusal } from '../../src/http1/refusal.ts'

const NAMES = new FieldNames()
const LIMITS = { startLineBytes: 8_192, fieldBytes: 16_384 }
const HOP: ReadonlySet<number> = new Set([CONNECTION, KEEP_ALIVE])

/** Passes each request on to one server, and its answer back: nothing but the two kinds of connection. */
export class PlainRelay {
  readonly port: number
  /** What has become of calls and connections, in order. */
  readonly events: string[] = []
  private readonly noted = new EventEmitter()
  private readonly server
  private readonly sockets = new Set<Socket>()
  readonly pool: OutboundPool

  private constructor(server: ReturnType<typeof createServer>, upstreamPort: number, timeouts: InboundTimeouts) {
    this.server = server
    this.port = (server.address() as AddressInfo).port
    const opener = { connect: () => connect(upstreamPort, '127.0.0.1').setNoDelay(true), readyEvent: 'connect' }
    const keeping = { connectMs: 1_000, keepAliveMs: 4_000, connectTimeout: () => new Error('connect timeout') }
    this.pool = new OutboundPool(opener, { names: NAMES, limits: LIMITS, ...keeping })
    const deadlines = new Deadlines()
    server.on('connection', (socket) => {
      this.sockets.add(socket)
      new InboundConnection(
        socket,
        { names: NAMES, limits: LIMITS, timeouts, deadlines },
        {
          onRequest: (request) => {
            new Exchange(this, request)
          },
          onRefusal: (refusal) => refusalText(refusal),
          onClosed: () => {
            this.sockets.delete(socket)
            this.note('closed')
          },
        },
      )
    })
  }

  static async start(upstreamPort: number, timeouts: Partial<InboundTimeouts> = {}): Promise<PlainRelay> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new PlainRelay(server, upstreamPort, { headMs: 5_000, keepAliveMs: 5_000, idleBodyMs: 5_000, ...timeouts })
  }

  /** Adds to `events`. */
  note(event: string): void {
    this.events.push(event)
    this.noted.emit('event')
  }

  /** Resolves once `events` has this one. */
  async happened(event: string): Promise<void> {
    while (!this.events.includes(event)) await once(this.noted, 'event')
  }

  close(): void {
    this.server.close()
    this.pool.close()
    for (const socket of this.sockets) socket.destroy()
  }
}

class Exchange implements RequestOwner, CallHandler, BodyTaker {
  private readonly relay: PlainRelay
  private readonly request: InboundRequest
  private readonly call: OutboundCall
  private isChunked = false
  private isFramed = true

  constructor(relay: PlainRelay, request: InboundRequest) {
    this.relay = relay
    this.request = request
    request.owner = this
    const { method, target, fields, body } = request
    const upgrade = fields.joined(UPGRADE).toLowerCase()
    const lines = passedLines(fields, (number) => !HOP.has(number))
    const connection = upgrade === '' ? '' : 'connection: upgrade\r\n'
    const hasBody = body.framing.kind !== 'none'
    const head = `${method} ${target} HTTP/1.1\r\n${lines}${connection}\r\n`
    this.call = new OutboundCall({ head, isBodiless: method === 'HEAD', upgrade, hasBody }, this)
    relay.pool.start(this.call, method === 'POST')
  }

  onSent(): void {
    this.relay.note('sent')
    if (this.request.body.framing.kind !== 'none') this.request.takeBody(this)
  }

  onRequestEnd(trailers: Fields): void {
    this.call.end(this.request.body.framing.kind === 'chunked' ? `0\r\n${fieldLines(trailers.pairs())}\r\n` : '')
  }

  onRequestBroken(refusal: MessageRefusal | null): void {
    this.relay.note(`body broken: ${refusal?.text ?? 'left'}`)
    this.call.abort()
    if (refusal !== null && !this.request.headIsSent) {
      this.request.closes = true
      this.request.begin(refusalText(refusal))
      this.request.end()
    }
  }

  onServerReady(): void {
    this.request.resumeBody()
  }

  onInterim(status: number, fields: Fields): void {
    if (status === 100 && !this.request.fields.has(EXPECT)) return
    this.request.interim(`${statusLine(status)}${passedLines(fields, () => true)}\r\n`)
  }

  onResponse({ status, reason, fields, body }: ResponseStart): void {
    const { request } = this
    // A client of HTTP/1.0 knows no chunks.
    body.isBare = request.minor === 0
    const lines = passedLines(fields, (number) => !HOP.has(number) && !(body.isBare && number === TRANSFER_ENCODING))
    this.isChunked = body.framing.kind === 'chunked' && !body.isBare
    this.isFramed = body.framing.kind === 'length' || this.isChunked
    if (!this.isFramed) request.closes = true
    request.begin(`${statusLine(status, reason)}${lines}${request.closes ? 'connection: close\r\n' : ''}\r\n`)
  }

  onRead(): void {
    this.request.flush()
  }

  onResponseEnd(trailers: Fields): void {
    this.request.end(this.isChunked ? `0\r\n${fieldLines(trailers.pairs())}\r\n` : '')
  }

  onUpgrade(response: Omit<ResponseStart, 'body'>, socket: Socket, early: readonly Buffer[]): void {
    this.relay.note('upgraded')
    const { socket: client, early: held } = this.request.detach()
    client.write(`${statusLine(response.status)}${passedLines(response.fields, () => true)}\r\n`)
    for (const piece of early) client.write(piece)
    for (const piece of held) socket.write(piece)
    socket.pipe(client).pipe(socket)
  }

  onFailed(failure: CallFailure): void {
    this.relay.note(`failed: ${failure.kind}`)
    const { request } = this
    if (request.headIsSent) {
      request.breakOff(this.isFramed)
      return
    }
    request.closes ||= !request.isComplete
    request.begin(`${statusLine(502)}content-length: 0\r\n${request.closes ? 'connection: close\r\n' : ''}\r\n`)
    request.end()
  }

  onRequestBody(piece: Buffer): void {
    if (!this.call.write(piece)) this.request.pauseBody()
  }

  onResponseBody(piece: Buffer): void {
    if (!this.request.write(piece)) this.call.pause()
  }

  onClientGone(): void {
    this.relay.note('client gone')
    this.call.abort()
  }

  onClientReady(): void {
    this.call.resume()
  }
}

function refusalText({ status, text }: MessageRefusal): string {
  return `${statusLine(status)}content-length: ${text.length}\r\nconnection: close\r\n\r\n${text}`
}
