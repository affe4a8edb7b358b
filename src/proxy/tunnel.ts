import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { ClientConnection, RequestUnderWay } from './client/client-connection.ts'
import type { Refusal } from './client/guard.ts'
import { BODY_TOO_LARGE } from './client/guard.ts'
import { headText } from './client/head-text.ts'
import type { BodyOwner } from './client/request-body.ts'
import type { DataPlane } from './data-plane.ts'
import type { ErrorCode } from './errors.ts'
import { classify, ProxyError } from './errors.ts'
import type { OwnAnswer } from './own-answer.ts'
import { ownAnswer } from './own-answer.ts'
import { coarse, ServerCall } from './server-call.ts'
import { hasUnknownCoding, reasonPhrase, responseFields } from './upstream/response-head.ts'
import type { Target, UnderWay } from './upstream/target.ts'
import { CLOSE_TO_CLIENT, CLOSE_TO_SERVER, FrameCursor } from './websocket-frames.ts'

/** How long the two ends may take to hang up after they were told to. */
const HANG_UP_MS = 1_000
/** How long what is on its way to one end may take to arrive there once the other end has gone. */
const LINGER_MS = 30_000
/** The most that is taken from a client before the server has agreed. */
const MAX_EARLY_BYTES = 64 * 1024
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

/**
 * One upgrade's life: asks a server, and when that agrees, carries bytes both ways until both ends have closed. A
 * server that does not agree is passed on as it answered. The request may have a body, which the server gets first.
 */
export class Tunnel extends ServerCall implements Dispatcher.DispatchHandler, UnderWay, RequestUnderWay, BodyOwner {
  private readonly client: Socket
  /** What the client sends behind its request: `client`, or where the body had not come whole, what node:http makes of it. */
  private readonly behind: Duplex
  /** What the client has sent behind its request, before the server has agreed. */
  private readonly early: Buffer[] = []
  private earlyBytes = 0
  private readonly protocol: string
  private readonly toServer = new FrameCursor()
  private readonly toClient = new FrameCursor()
  private server: Socket | null = null
  private status = 0
  private responded = false
  private hangingUp = false
  /** What it was hung up for. */
  private hungUpFor: ErrorCode = 'drain_timeout'
  private idleTimer: NodeJS.Timeout | null = null
  private endTimer: NodeJS.Timeout | null = null
  private done = false

  /** `early`: what of `behind` has come with the request. */
  constructor(plane: DataPlane, request: IncomingMessage, behind: Duplex, early: Buffer, connection: ClientConnection) {
    super(plane, request, connection)
    this.client = connection.socket
    this.behind = behind
    if (early.length > 0) this.takeEarly(early)
    this.protocol = request.headers.upgrade ?? ''
  }

  start(): void {
    this.client.setTimeout(0)
    this.client.on('close', () => this.clientClosed())
    if (this.request.complete) this.readEarly()
    else {
      this.connection.begin(this, null)
      this.request.once('end', () => this.readEarly())
    }
    this.plane.tunnels.add(this)
    this.connection.tunnelled = true
    const refusal = this.admit()
    if (refusal !== null) this.answer(refusal)
    else this.seekServer()
  }

  /** Reads already before the server agrees: a client that leaves is only noticed by reading. */
  private readEarly(): void {
    if (!this.done) this.behind.on('data', this.takeEarly).on('end', this.clientEnded)
  }

  protected override send(target: Target): void {
    const { responseMs, idleMs } = this.route.table.timeouts
    this.controller = null
    target.begin(this)
    const request = {
      path: this.path,
      method: this.request.method as Dispatcher.HttpMethod,
      upgrade: this.protocol,
    }
    if (this.head.hasBody) {
      const headers = [...this.fields, ...this.head.extraFields(), 'connection', 'upgrade', 'upgrade', this.protocol]
      const options = { ...request, headers, headersTimeout: responseMs, bodyTimeout: idleMs }
      target.connections.dispatchAlone(options, this.takeBody(this), this)
      return
    }
    target.connections.dispatch(
      { ...request, headers: this.fields, headersTimeout: coarse(responseMs), bodyTimeout: coarse(idleMs) },
      this,
      !this.mayRepeat(true),
    )
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.done) controller.abort(new ProxyError('client_gone', 'no'))
    else {
      this.controller = controller
      this.connectedAt = performance.now()
      // A body takes its time, which is not the server's.
      if (!this.head.hasBody) this.startTimer(this.route.table.timeouts.responseMs)
    }
  }

  onRequestUpgrade(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
    server: Duplex,
  ): void {
    this.stopTimer()
    this.controller = null
    this.responded = true
    this.status = status
    this.answeredAt = performance.now()
    this.judge(true)
    // Declared as less than what it is.
    this.server = server as Socket
    server.on('error', () => server.destroy())
    server.on('close', () => this.serverClosed())
    if (this.done) {
      server.destroy()
      return
    }
    const fields = [
      ...responseFields(headers, status),
      'connection',
      'upgrade',
      'upgrade',
      String(headers.upgrade ?? this.protocol),
    ]
    this.client.write(headText(status, fields), 'latin1')
    // Either end may close its direction and go on reading the other.
    server.allowHalfOpen = true
    this.behind.off('data', this.takeEarly).off('end', this.clientEnded)
    for (const chunk of this.early.splice(0)) {
      this.toServer.advance(chunk)
      server.write(chunk)
    }
    const { tunnelMs } = this.plane.settings.timeouts
    if (tunnelMs > 0) this.idleTimer = setTimeout(onIdle, tunnelMs, this)
    this.carry(this.behind, server, this.toServer)
    this.carry(server, this.client, this.toClient)
    this.behind.resume()
  }

  private readonly takeEarly = (chunk: Buffer): void => {
    if (this.responded) return
    this.early.push(chunk)
    this.earlyBytes += chunk.length
    if (this.earlyBytes > MAX_EARLY_BYTES) this.behind.pause()
  }

  /** A client that closes its direction has left, unless it is just being told that the server does not agree. */
  private readonly clientEnded = (): void => {
    if (!this.responded) this.client.destroy()
  }

  // The server did not agree: its answer goes to the client, delimited by the end of the connection.

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
    statusText?: string,
  ): void {
    if (this.done) return
    if (status < 200) {
      if (status === 100 && this.head.expect !== '') this.client.write(CONTINUE)
      return
    }
    if (hasUnknownCoding(headers)) {
      controller.abort(new ProxyError('http_protocol_error', 'maybe'))
      return
    }
    this.responded = true
    this.status = status
    this.answeredAt = performance.now()
    this.startTimer(this.route.table.timeouts.idleMs)
    if (status >= 500 || this.onTrial) this.judge(status < 500)
    // Of a message that has no body (RFC 9110 §8.6).
    if (status === 204) delete headers['content-length']
    const fields = responseFields(headers, status)
    fields.push('connection', fields.includes('upgrade') ? 'close, upgrade' : 'close')
    this.client.write(headText(status, fields, reasonPhrase(status, statusText)), 'latin1')
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.done) return
    if (this.client.write(chunk)) {
      this.timer?.refresh()
      return
    }
    controller.pause()
    this.stopTimer()
    const { idleMs } = this.plane.bodyLimits
    if (idleMs > 0) this.timer = setTimeout(onClientStalled, idleMs, this)
    this.client.once('drain', () => {
      if (this.done) return
      this.startTimer(this.route.table.timeouts.idleMs)
      controller.resume()
    })
  }

  /** The client takes nothing of a refusal any more. */
  clientStalled(): void {
    this.client.destroy()
  }

  onResponseEnd(): void {
    this.target?.end(this)
    this.judge(true)
    this.client.end()
    this.dropRest()
    this.endWithin(LINGER_MS)
    this.finish('')
  }

  // What else can happen to its body.

  get isComplete(): boolean {
    return this.request.complete
  }

  bodyLate(): void {
    // The header has gone ahead.
  }

  bodyStalled(): void {
    this.refuseBody({ status: 408, text: 'The body took too long.' })
  }

  bodyTooLarge(): void {
    this.refuseBody(BODY_TOO_LARGE)
  }

  bodyReleased(): void {
    if (this.done) this.request.resume()
  }

  refuseBody({ status, text }: Refusal): void {
    if (this.done) return
    if (this.responded) {
      this.connection.breakOff(false)
      this.finish('http_request_denied')
    } else this.answer(ownAnswer(status, text, 'http_request_denied', this.requestId))
    this.controller?.abort(new ProxyError('http_request_denied', 'maybe'))
  }

  clientLeft(): void {
    // Its own listener has seen it.
  }

  clientDrained(): void {
    // Its own listener has seen it.
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, cause: Error): void {
    const started = this.controller !== null
    this.stopTimer()
    this.target?.end(this)
    const error = this.done ? null : classify(cause, started)
    this.judgeFailure(error?.code ?? null)
    if (error === null) return
    if (this.responded) {
      this.connection.breakOff(false)
      this.finish(error.code)
      return
    }
    if (!this.tryAgain(error, this.isWhole)) this.answer(this.failure(error.code))
  }

  cut(): boolean {
    const mayStay = this.server !== null && this.route.table.drain.websockets === 'keep' && this.isWebSocket
    if (this.done || this.hangingUp || mayStay) return false
    this.shutDown('drain_timeout')
    return true
  }

  /** No byte has passed, either way, for as long as `timeouts.tunnel` allows. */
  idle(): void {
    if (this.hangingUp) return
    this.shutDown('tunnel_idle')
  }

  /**
   * Ends the tunnel: a WebSocket gets close 1001 both ways, each as soon as no frame is half-way there; anything else
   * is hung up. A request that has had no answer gets one.
   */
  shutDown(reason: ErrorCode): void {
    if (this.done || this.hangingUp) return
    if (this.server === null) {
      this.leaveQueue()
      if (!this.responded) this.answer(this.failure(reason))
      this.client.destroySoon()
      this.controller?.abort(new ProxyError(reason, 'maybe'))
      return
    }
    this.hangingUp = true
    this.hungUpFor = reason
    this.endWithin(HANG_UP_MS)
    this.seeOut(this.server, this.toServer, CLOSE_TO_SERVER)
    this.seeOut(this.client, this.toClient, CLOSE_TO_CLIENT)
  }

  private get isWebSocket(): boolean {
    return this.protocol.toLowerCase() === 'websocket'
  }

  protected override hangUp(): void {
    this.client.destroy()
  }

  private carry(from: Duplex, to: Duplex, frames: FrameCursor): void {
    from.on('data', (chunk: Buffer) => {
      this.idleTimer?.refresh()
      if (to.writableEnded || to.destroyed) return
      const length = frames.advance(chunk, this.hangingUp)
      if (!to.write(chunk.subarray(0, length))) from.pause()
      if (this.hangingUp) this.seeOut(to, frames, to === this.client ? CLOSE_TO_CLIENT : CLOSE_TO_SERVER)
    })
    to.on('drain', () => from.resume())
    from.on('end', () => to.end())
  }

  private seeOut(to: Duplex, frames: FrameCursor, close: Buffer): void {
    if (to.writableEnded) return
    if (this.isWebSocket && !frames.atBoundary) return
    to.end(this.isWebSocket ? close : '')
    // What still comes from the other end goes nowhere, and waits for nothing.
    const from = to === this.client ? this.server : this.behind
    from?.resume()
  }

  private clientClosed(): void {
    this.leaveQueue()
    if (this.server !== null) this.seeOff(this.server)
    else {
      if (this.controller === null) this.target?.end(this)
      this.finish('client_gone')
      this.controller?.abort(new ProxyError('client_gone', 'maybe'))
    }
    this.leaveIfClosed()
  }

  private serverClosed(): void {
    this.seeOff(this.client)
    this.leaveIfClosed()
  }

  /** Ends one end after the other one has gone: what is on its way there still arrives, if it does so in time. */
  private seeOff(socket: Socket): void {
    if (socket.destroyed) return
    if (this.hangingUp) socket.end().resume()
    else {
      socket.destroySoon()
      this.endWithin(LINGER_MS)
    }
  }

  private endWithin(timeoutMs: number): void {
    if (this.endTimer !== null) clearTimeout(this.endTimer)
    this.endTimer = setTimeout(() => {
      this.client.destroy()
      this.server?.destroy()
    }, timeoutMs)
  }

  private leaveIfClosed(): void {
    if (this.server !== null && !(this.server.destroyed && this.client.destroyed)) return
    if (this.endTimer !== null) clearTimeout(this.endTimer)
    this.target?.end(this)
    this.finish(this.hangingUp ? this.hungUpFor : '')
  }

  protected override answer({ status, code, body, fields }: OwnAnswer): void {
    this.status = status
    this.responded = true
    const text = this.request.method === 'HEAD' ? '' : body
    this.client.end(headText(status, [...fields, 'connection', 'close']) + text, 'latin1')
    this.dropRest()
    this.endWithin(LINGER_MS)
    this.finish(code)
  }

  /** What the client still sends is read and dropped: closed with bytes unread, its connection would be reset. */
  private dropRest(): void {
    this.request.resume()
    this.behind.resume()
  }

  private finish(error: ErrorCode | ''): void {
    if (this.done) return
    this.done = true
    this.stopTimer()
    if (this.idleTimer !== null) clearTimeout(this.idleTimer)
    this.plane.tunnels.delete(this)
    this.connection.end(this)
    this.connection.tunnelled = false
    this.record(error === 'client_gone' ? 499 : this.status, this.client.bytesWritten, error)
  }
}

function onIdle(tunnel: Tunnel): void {
  tunnel.idle()
}

function onClientStalled(tunnel: Tunnel): void {
  tunnel.clientStalled()
}
