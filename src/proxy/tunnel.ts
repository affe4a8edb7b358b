import type { IncomingMessage } from 'node:http'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { ClientConnection } from './client/client-connection.ts'
import type { DataPlane } from './data-plane.ts'
import type { ErrorCode } from './errors.ts'
import { classify, ProxyError } from './errors.ts'
import type { OwnAnswer } from './own-answer.ts'
import { Passage } from './passage.ts'
import { hasUnknownCoding, responseFields } from './upstream/response-head.ts'
import type { Target, UnderWay } from './upstream/target.ts'
import { CLOSE_TO_CLIENT, CLOSE_TO_SERVER, FrameCursor } from './websocket-frames.ts'

/** How long the two ends may take to hang up after they were told to. */
const HANG_UP_MS = 1_000
/** How long what is on its way to one end may take to arrive there once the other end has gone. */
const LINGER_MS = 30_000
/** The most that is taken from a client before the server has agreed. */
const MAX_EARLY_BYTES = 64 * 1024

/**
 * One upgrade's life: asks a server, and when that agrees, carries bytes both ways until both ends have closed. A
 * server that does not agree is passed on as it answered.
 */
export class Tunnel extends Passage implements Dispatcher.DispatchHandler, UnderWay {
  private readonly client: Socket
  /** What the client has sent behind its request, before the server has agreed. */
  private readonly early: Buffer[] = []
  private earlyBytes = 0
  private readonly protocol: string
  private readonly toServer = new FrameCursor()
  private readonly toClient = new FrameCursor()
  private controller: Dispatcher.DispatchController | null = null
  private server: Socket | null = null
  private status = 0
  private responded = false
  private hangingUp = false
  /** Hung up for want of traffic. */
  private wasIdle = false
  private idleTimer: NodeJS.Timeout | null = null
  /** Runs while a client takes nothing of a refusal. */
  private stallTimer: NodeJS.Timeout | null = null
  private endTimer: NodeJS.Timeout | null = null
  private done = false

  constructor(plane: DataPlane, request: IncomingMessage, client: Socket, early: Buffer, connection: ClientConnection) {
    super(plane, request, connection)
    this.client = client
    if (early.length > 0) this.takeEarly(early)
    this.protocol = request.headers.upgrade ?? ''
  }

  start(): void {
    this.client.setTimeout(0)
    this.client.on('close', () => this.clientClosed())
    // Read already now: a client that leaves is only noticed by reading.
    this.client.on('data', this.takeEarly).on('end', this.clientEnded)
    this.plane.tunnels.add(this)
    this.connection.tunnelled = true
    const refusal = this.admit()
    if (refusal !== null) this.answer(refusal)
    else this.seekServer()
  }

  protected override send(target: Target): void {
    const { timeouts } = this.route.table
    this.controller = null
    target.begin(this)
    target.connections.dispatch(
      {
        path: this.path,
        method: this.request.method as Dispatcher.HttpMethod,
        headers: this.fields,
        upgrade: this.protocol,
        headersTimeout: timeouts.responseMs,
        bodyTimeout: timeouts.idleMs,
      },
      this,
      !this.mayRepeat(true),
    )
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.done) controller.abort(new ProxyError('client_gone', 'no'))
    else {
      this.controller = controller
      this.connectedAt = performance.now()
    }
  }

  onRequestUpgrade(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
    server: Duplex,
  ): void {
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
      ...responseFields(headers),
      'connection',
      'upgrade',
      'upgrade',
      String(headers.upgrade ?? this.protocol),
    ]
    this.client.write(headText(status, fields), 'latin1')
    // Either end may close its direction and go on reading the other.
    server.allowHalfOpen = true
    this.client.off('data', this.takeEarly).off('end', this.clientEnded)
    for (const chunk of this.early.splice(0)) {
      this.toServer.advance(chunk)
      server.write(chunk)
    }
    const { tunnelMs } = this.plane.settings.timeouts
    if (tunnelMs > 0) this.idleTimer = setTimeout(onIdle, tunnelMs, this)
    this.carry(this.client, server, this.toServer)
    this.carry(server, this.client, this.toClient)
    this.client.resume()
  }

  private readonly takeEarly = (chunk: Buffer): void => {
    if (this.responded) return
    this.early.push(chunk)
    this.earlyBytes += chunk.length
    if (this.earlyBytes > MAX_EARLY_BYTES) this.client.pause()
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
  ): void {
    if (status < 200 || this.done) return
    if (hasUnknownCoding(headers)) {
      controller.abort(new ProxyError('http_protocol_error', 'maybe'))
      return
    }
    this.responded = true
    this.status = status
    this.answeredAt = performance.now()
    if (status >= 500 || this.onTrial) this.judge(status < 500)
    // Of a message that has no body (RFC 9110 §8.6).
    if (status === 204) delete headers['content-length']
    this.client.write(headText(status, [...responseFields(headers), 'connection', 'close']), 'latin1')
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.done || this.client.write(chunk)) return
    controller.pause()
    const { idleMs } = this.plane.bodyLimits
    if (idleMs > 0) this.stallTimer = setTimeout(onClientStalled, idleMs, this)
    this.client.once('drain', () => {
      this.stopTimers()
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
    this.client.end().resume()
    this.endWithin(LINGER_MS)
    this.finish('')
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, cause: Error): void {
    const started = this.controller !== null
    this.target?.end(this)
    const error = this.done ? null : classify(cause, started)
    this.judgeFailure(error?.code ?? null)
    if (error === null) return
    if (this.responded) {
      this.connection.breakOff(false)
      this.finish(error.code)
      return
    }
    if (!this.tryAgain(error, true)) this.answer(this.failure(error.code))
  }

  cut(): boolean {
    const mayStay = this.server !== null && this.route.table.drain.websockets === 'keep' && this.isWebSocket
    if (this.done || this.hangingUp || mayStay) return false
    this.shutDown()
    return true
  }

  /** No byte has passed, either way, for as long as `timeouts.tunnel` allows. */
  idle(): void {
    if (this.hangingUp) return
    this.wasIdle = true
    this.shutDown()
  }

  /**
   * Ends the tunnel: a WebSocket gets close 1001 both ways, each as soon as no frame is half-way there; anything else
   * is hung up. A request that has had no answer gets one.
   */
  shutDown(): void {
    if (this.done || this.hangingUp) return
    if (this.server === null) {
      this.leaveQueue()
      if (!this.responded) this.answer(this.failure('drain_timeout'))
      this.client.destroySoon()
      this.controller?.abort(new ProxyError('drain_timeout', 'maybe'))
      return
    }
    this.hangingUp = true
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
    const from = to === this.client ? this.server : this.client
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
    this.finish(this.wasIdle ? 'tunnel_idle' : this.hangingUp ? 'drain_timeout' : '')
  }

  protected override answer({ status, code, body, fields }: OwnAnswer): void {
    this.status = status
    this.responded = true
    const text = this.request.method === 'HEAD' ? '' : body
    this.client.end(headText(status, [...fields, 'connection', 'close']) + text, 'latin1').resume()
    this.endWithin(LINGER_MS)
    this.finish(code)
  }

  private stopTimers(): void {
    if (this.idleTimer !== null) clearTimeout(this.idleTimer)
    if (this.stallTimer !== null) clearTimeout(this.stallTimer)
    this.idleTimer = null
    this.stallTimer = null
  }

  private finish(error: ErrorCode | ''): void {
    if (this.done) return
    this.done = true
    this.stopTimers()
    this.plane.tunnels.delete(this)
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

/** A response's header section as it goes over the wire; `fields`: name and value in turn. */
function headText(status: number, fields: readonly string[]): string {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`
  return `${text}\r\n`
}
