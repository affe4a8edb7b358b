import { EventEmitter, once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Deadlines } from '../../src/http1/deadlines.ts'
import { CONNECTION, EXPECT, FieldNames, KEEP_ALIVE, TRANSFER_ENCODING, UPGRADE } from '../../src/http1/field-names.ts'
import type { Fields } from '../../src/http1/fields.ts'
import { fieldLines, passedLines, statusLine } from '../../src/http1/head-text.ts'
import { InboundConnection } from '../../src/http1/inbound-connection.ts'
import type { InboundTimeouts } from '../../src/http1/inbound-handler.ts'
import type { BodyTaker, InboundRequest, RequestOwner } from '../../src/http1/inbound-request.ts'
import { type CallFailure, type CallHandler, OutboundCall, type ResponseStart } from '../../src/http1/outbound-call.ts'
import { OutboundPool } from '../../src/http1/outbound-pool.ts'
import type { MessageRefusal } from '../../src/http1/refusal.ts'
import { SocketInput } from '../../src/http1/socket-input.ts'

const NAMES = new FieldNames()
const LIMITS = { startLineBytes: 8_192, fieldBytes: 16_384 }
/** Of one connection only, or written by the connections themselves. */
const HOP: ReadonlySet<number> = new Set([CONNECTION, KEEP_ALIVE, TRANSFER_ENCODING, UPGRADE])
const KEEP_ALIVE_LINE = 'Keep-Alive: timeout=5\r\n'

export interface RelayTimeouts extends InboundTimeouts {
  /** From the sent request to the response, and between two pieces of it; 0 = none. */
  readonly serverMs: number
}

const TIMEOUTS: RelayTimeouts = { headMs: 5_000, requestMs: 0, keepAliveMs: 5_000, idleBodyMs: 5_000, serverMs: 0 }

/** Passes each request on to one server, and its answer back: nothing but the two kinds of connection. */
export class PlainRelay {
  readonly port: number
  readonly timeouts: RelayTimeouts
  /** What has become of calls and connections, in order. */
  readonly events: string[] = []
  /** Called with each request, before anything is done about it; a test lets it throw. */
  onRequest: (request: InboundRequest) => void = () => undefined
  /** Called with each piece of a request's body, before anything is done about it; a test lets it throw. */
  onBody: () => void = () => undefined
  /** Called with each response, before anything is done about it; a test lets it throw. */
  onResponse: () => void = () => undefined
  private readonly noted = new EventEmitter()
  private readonly server
  private readonly sockets = new Set<Socket>()
  private readonly toServer: Socket[] = []
  readonly pool: OutboundPool

  private constructor(server: ReturnType<typeof createServer>, upstreamPort: number, timeouts: RelayTimeouts) {
    this.server = server
    this.timeouts = timeouts
    this.port = (server.address() as AddressInfo).port
    const deadlines = new Deadlines()
    const opener = {
      connect: ({ onread }: Pick<SocketInput, 'onread'>) => {
        const socket = connect({ port: upstreamPort, host: '127.0.0.1', noDelay: true, onread })
        this.toServer.push(socket)
        return socket
      },
      readyEvent: 'connect',
    }
    const keeping = { connectMs: 1_000, keepAliveMs: 4_000, connectTimeout: () => new Error('connect timeout') }
    this.pool = new OutboundPool(opener, { names: NAMES, limits: LIMITS, deadlines, ...keeping })
    server.on('connection', (accepted) => {
      const input = new SocketInput()
      const socket = input.accept(accepted)
      this.sockets.add(socket)
      new InboundConnection(
        socket,
        input,
        { names: NAMES, limits: LIMITS, timeouts, keepAliveLine: KEEP_ALIVE_LINE, deadlines },
        {
          onRequest: (request) => {
            this.onRequest(request)
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

  static async start(upstreamPort: number, timeouts: Partial<RelayTimeouts> = {}): Promise<PlainRelay> {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new PlainRelay(server, upstreamPort, { ...TIMEOUTS, ...timeouts })
  }

  /** Bytes that the sockets to clients, and those to the server, have not sent yet. */
  get pending(): { readonly toClients: number; readonly toServer: number } {
    const sum = (sockets: Iterable<Socket>) => [...sockets].reduce((total, each) => total + each.writableLength, 0)
    return { toClients: sum(this.sockets), toServer: sum(this.toServer) }
  }

  /** Adds to `events`. */
  note(event: string): void {
    this.events.push(event)
    this.noted.emit('event')
  }

  /** Resolves once `events` has this one so many times. */
  async happened(event: string, times = 1): Promise<void> {
    while (this.events.filter((each) => each === event).length < times) await once(this.noted, 'event')
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
  private hasResponse = false

  constructor(relay: PlainRelay, request: InboundRequest) {
    this.relay = relay
    this.request = request
    request.owner = this
    const { method, target: path, fields } = request
    const { kind } = request.body.framing
    const body = kind === 'close' ? 'none' : kind
    this.call = new OutboundCall(
      { method, path, lines: linesOf(fields), body, upgrade: fields.joined(UPGRADE), takesTrailers: false },
      this,
    )
    relay.pool.start(this.call, method === 'POST')
  }

  onSent(): void {
    this.relay.note('sent')
    this.call.setTimeout(this.relay.timeouts.serverMs)
    if (this.request.body.framing.kind !== 'none') this.request.takeBody(this)
  }

  onRequestEnd(trailers: Fields): void {
    this.call.end(fieldLines(trailers.pairs()))
    this.relay.note('request sent')
  }

  onRequestBroken(refusal: MessageRefusal | null): void {
    this.relay.note(`body broken: ${refusal?.text ?? 'left'}`)
    this.call.abort()
    if (refusal === null) return
    if (this.request.headIsSent) this.request.breakOff()
    else this.answer(refusal.status, refusal.text)
  }

  onServerReady(): void {
    this.request.resumeBody()
  }

  onInterim(status: number, fields: Fields): void {
    if (!this.request.takesChunks || (status === 100 && !this.request.fields.has(EXPECT))) return
    this.request.interim(status, linesOf(fields))
  }

  onResponse({ status, reason, fields, body }: ResponseStart): void {
    this.relay.onResponse()
    this.hasResponse = true
    const { kind } = body.framing
    body.isBare = !this.request.takesChunks
    const isUnknown = kind === 'close' || (kind === 'chunked' && body.isBare)
    this.request.respond(status, reason, linesOf(fields), isUnknown ? 'unknown' : kind)
  }

  onRead(): void {
    this.call.setTimeout(this.relay.timeouts.serverMs)
    if (this.hasResponse) this.request.flush()
  }

  onResponseEnd(trailers: Fields): void {
    this.request.end(fieldLines(trailers.pairs()))
  }

  onUpgrade(response: Omit<ResponseStart, 'body'>, server: Duplex, early: readonly Buffer[]): void {
    this.relay.note('upgraded')
    const upgrade = response.fields.joined(UPGRADE)
    const lines = `${linesOf(response.fields)}Connection: upgrade\r\nUpgrade: ${upgrade}\r\n`
    const { socket: client, early: held } = this.request.switchProtocols(lines)
    for (const piece of early) client.write(piece)
    for (const piece of held) server.write(piece)
    server.pipe(client).pipe(server)
  }

  onFailed(failure: CallFailure): void {
    this.relay.note(`failed: ${failure.kind}`)
    const { request } = this
    if (request.headIsSent) request.breakOff()
    else this.answer(502, '')
  }

  onRequestBody(piece: Buffer): void {
    this.relay.onBody()
    if (!this.call.write(piece)) this.request.pauseBody()
  }

  onResponseBody(piece: Buffer): void {
    if (!this.request.write(piece)) this.call.pause()
  }

  onClientGone(): void {
    this.relay.note('client gone')
    this.call.abort()
  }

  onClientEnded(): void {
    this.relay.note('client ended')
  }

  onClientReady(): void {
    this.call.resume()
  }

  private answer(status: number, text: string): void {
    const { request } = this
    request.closes ||= !request.isComplete
    request.respond(status, null, `Content-Length: ${text.length}\r\n`, 'length')
    request.write(Buffer.from(text))
    request.end()
  }
}

function linesOf(fields: Fields): string {
  return passedLines(fields, (number) => !HOP.has(number))
}

function refusalText({ status, text }: MessageRefusal): string {
  return `${statusLine(status)}Content-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`
}
