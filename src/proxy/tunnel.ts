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

/** Max time for both ends to close their connections after a close frame or the end of the stream. */
const HANG_UP_MS = 1_000
/** Max time to deliver pending data to one end after the other end has closed. */
const LINGER_MS = 30_000
/** Max bytes to buffer from a client before the server has accepted the upgrade. */
const MAX_EARLY_BYTES = 64 * 1024
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

/**
 * Handles one upgrade: sends the request, with its body if it has one, to a server. If the server accepts, forwards
 * bytes both ways until both ends have closed; otherwise forwards the server's response.
 */
export class Tunnel extends ServerCall implements Dispatcher.DispatchHandler, UnderWay, RequestUnderWay, BodyOwner {
  private readonly client: Socket
  /** Stream of the client's data after its request: `client`, or a stream of node:http if the body was incomplete. */
  private readonly input: Duplex
  /** Data that the client has sent after its request, before the server has accepted. */
  private readonly early: Buffer[] = []
  private earlyBytes = 0
  private readonly protocol: string
  private readonly toServer = new FrameCursor()
  private readonly toClient = new FrameCursor()
  private server: Socket | null = null
  private status = 0
  private responded = false
  private hangingUp = false
  /** Reason for which the tunnel was closed from here. */
  private hungUpFor: ErrorCode = 'drain_timeout'
  private idleTimer: NodeJS.Timeout | null = null
  private endTimer: NodeJS.Timeout | null = null
  private done = false

  /** `input`: stream of the client's data after its request. `early`: the part of it that came with the request. */
  constructor(plane: DataPlane, request: IncomingMessage, input: Duplex, early: Buffer, connection: ClientConnection) {
    super(plane, request, connection)
    this.client = connection.socket
    this.input = input
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

  /** Reads from the client before the server accepts, because only reading reveals that the client has left. */
  private readEarly(): void {
    if (!this.done) this.input.on('data', this.takeEarly).on('end', this.clientEnded)
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
      // With a body the timeout starts later: the time for sending the body does not count.
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
    // undici declares a Duplex, but it is a Socket.
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
    // Either end may close its own direction and keep reading the other.
    server.allowHalfOpen = true
    this.input.off('data', this.takeEarly).off('end', this.clientEnded)
    for (const chunk of this.early.splice(0)) {
      this.toServer.advance(chunk)
      server.write(chunk)
    }
    const { tunnelMs } = this.plane.settings.timeouts
    if (tunnelMs > 0) this.idleTimer = setTimeout(onIdle, tunnelMs, this)
    this.forward(this.input, server, this.toServer)
    this.forward(server, this.client, this.toClient)
    this.input.resume()
  }

  private readonly takeEarly = (chunk: Buffer): void => {
    if (this.responded) return
    this.early.push(chunk)
    this.earlyBytes += chunk.length
    if (this.earlyBytes > MAX_EARLY_BYTES) this.input.pause()
  }

  /** Called when the client closes its direction: it has left, unless a refusal is being sent to it. */
  private readonly clientEnded = (): void => {
    if (!this.responded) this.client.destroy()
  }

  // The server has refused the upgrade: its response goes to the client, and ends with the connection.

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
    // A 204 must not have a content-length (RFC 9110 §8.6).
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

  /** Called when the client has not read from a refusal for too long. */
  clientStalled(): void {
    this.client.destroy()
  }

  onResponseEnd(): void {
    this.target?.end(this)
    this.judge(true)
    this.client.end()
    this.dropRest()
    this.destroyAfter(LINGER_MS)
    this.finish('')
  }

  // Events of the request body.

  get isComplete(): boolean {
    return this.request.complete
  }

  bodyLate(): void {
    // Nothing to do: the header is always sent ahead of the body.
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
    // Handled by the listeners on the socket.
  }

  clientDrained(): void {
    // Handled by the listeners on the socket.
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

  /** Called when no byte has passed in either direction for `timeouts.tunnel`. */
  idle(): void {
    if (this.hangingUp) return
    this.shutDown('tunnel_idle')
  }

  /**
   * Closes the tunnel. A WebSocket gets close 1001 in each direction, once the current frame there is complete; the
   * connections of other protocols are closed. A request without a response gets a failure.
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
    this.destroyAfter(HANG_UP_MS)
    this.closeDirection(this.server, this.toServer, CLOSE_TO_SERVER)
    this.closeDirection(this.client, this.toClient, CLOSE_TO_CLIENT)
  }

  private get isWebSocket(): boolean {
    return this.protocol.toLowerCase() === 'websocket'
  }

  protected override hangUp(): void {
    this.client.destroy()
  }

  private forward(from: Duplex, to: Duplex, frames: FrameCursor): void {
    from.on('data', (chunk: Buffer) => {
      this.idleTimer?.refresh()
      if (to.writableEnded || to.destroyed) return
      const length = frames.advance(chunk, this.hangingUp)
      if (!to.write(chunk.subarray(0, length))) from.pause()
      if (this.hangingUp) this.closeDirection(to, frames, to === this.client ? CLOSE_TO_CLIENT : CLOSE_TO_SERVER)
    })
    to.on('drain', () => from.resume())
    from.on('end', () => to.end())
  }

  /** Ends one direction; for a WebSocket with a close frame, as soon as no frame is incomplete. */
  private closeDirection(to: Duplex, frames: FrameCursor, close: Buffer): void {
    if (to.writableEnded) return
    if (this.isWebSocket && !frames.atBoundary) return
    to.end(this.isWebSocket ? close : '')
    // Further data from the other end is read and dropped.
    const from = to === this.client ? this.server : this.input
    from?.resume()
  }

  private clientClosed(): void {
    this.leaveQueue()
    if (this.server !== null) this.endAfterPeer(this.server)
    else {
      if (this.controller === null) this.target?.end(this)
      this.finish('client_gone')
      this.controller?.abort(new ProxyError('client_gone', 'maybe'))
    }
    this.leaveIfClosed()
  }

  private serverClosed(): void {
    this.endAfterPeer(this.client)
    this.leaveIfClosed()
  }

  /** Closes one end after the other one has closed, and gives pending data up to `LINGER_MS` to arrive. */
  private endAfterPeer(socket: Socket): void {
    if (socket.destroyed) return
    if (this.hangingUp) socket.end().resume()
    else {
      socket.destroySoon()
      this.destroyAfter(LINGER_MS)
    }
  }

  private destroyAfter(timeoutMs: number): void {
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
    this.destroyAfter(LINGER_MS)
    this.finish(code)
  }

  /** Reads and drops further data of the client, because closing with unread bytes would reset the connection. */
  private dropRest(): void {
    this.request.resume()
    this.input.resume()
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
