import type { IncomingMessage } from 'node:http'
import type { Dispatcher } from 'undici'
import type { ClientConnection } from './client/client-connection.ts'
import type { ClientResponse } from './client/client-response.ts'
import type { Refusal } from './client/guard.ts'
import { BODY_TOO_LARGE } from './client/guard.ts'
import type { BodyOwner, RequestBody } from './client/request-body.ts'
import { OWN_HOP } from './client/via.ts'
import type { DataPlane } from './data-plane.ts'
import type { ErrorCode } from './errors.ts'
import { classify, ProxyError } from './errors.ts'
import type { OwnAnswer } from './own-answer.ts'
import { ownAnswer } from './own-answer.ts'
import { coarse, ServerCall } from './server-call.ts'
import { trailersIn } from './trailers.ts'
import { hasUnknownCoding, reasonPhrase, responseFields } from './upstream/response-head.ts'
import type { Target, UnderWay } from './upstream/target.ts'

/** Statuses up to this one, except 100, are not valid as interim responses to a request without an upgrade. */
const SWITCHING_PROTOCOLS = 101

/** Handles one request from its header to the last byte of its response, with all of its tries. */
export class Exchange extends ServerCall implements Dispatcher.DispatchHandler, UnderWay, BodyOwner {
  private readonly response: ClientResponse
  private body: RequestBody | null = null
  private bodyIsLate = false
  /** Whether the current try was replaced by another one, so that its error is ignored. */
  private superseded = false
  private responded = false
  private listensForDrain = false
  private isLast = false
  /** Whether the request has ended for its client, successfully or not; nothing more is sent. */
  private done = false

  constructor(plane: DataPlane, request: IncomingMessage, response: ClientResponse, connection: ClientConnection) {
    super(plane, request, connection)
    this.response = response
    response.exchange = this
  }

  /** `isLast`: the connection closes after the response to this request, unless `keepOpen` is called before. */
  start(isLast: boolean): void {
    this.isLast = isLast
    this.connection.begin(this, this.response)
    if (this.head.closes) this.isLast = true
    this.response.awaitsContinue = this.head.expect !== '' && this.head.hasBody && this.request.httpVersionMinor > 0
    const refusal = this.admit()
    if (refusal !== null) this.answer(refusal)
    else this.seekServer()
  }

  protected override send(target: Target): void {
    target.begin(this)
    this.dispatch(target)
  }

  private dispatch(target: Target): void {
    const { timeouts } = this.route.table
    this.controller = null
    this.body = this.head.hasBody ? this.takeBody(this) : null
    const options: Dispatcher.DispatchOptions = {
      path: this.path,
      method: this.request.method as Dispatcher.HttpMethod,
      headers: this.fields,
      body: this.body,
      reset: false,
      headersTimeout: coarse(timeouts.responseMs),
      bodyTimeout: coarse(timeouts.idleMs),
    }
    if (this.body !== null && this.needsOwnConnection) {
      const headers = [...this.fields, ...this.head.extraFields()]
      const { responseMs: headersTimeout, idleMs: bodyTimeout } = timeouts
      target.connections.dispatchAlone({ ...options, headers, headersTimeout, bodyTimeout }, this.body, this)
      return
    }
    target.connections.dispatch(options, this, !this.mayRepeat(!this.head.hasBody || this.bodyWillBeKept()))
  }

  /** Whether undici cannot send the request: its header must go ahead of its body, or it has trailers. */
  private get needsOwnConnection(): boolean {
    return (
      this.response.awaitsContinue ||
      this.bodyIsLate ||
      (this.head.trailer !== '' && this.head.transferEncoding !== null)
    )
  }

  // Callbacks of undici for the upstream connection. An exception thrown here aborts only this request.

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.done) {
      controller.abort(new ProxyError('client_gone', 'no'))
      return
    }
    this.controller = controller
    this.connectedAt = performance.now()
  }

  onRequestSent(): void {
    if (!this.responded) this.startTimer(this.route.table.timeouts.responseMs)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
    statusText?: string,
  ): void {
    if (this.done) return
    if (status < 200) {
      this.onInterim(controller, status, headers)
      return
    }
    if (hasUnknownCoding(headers)) {
      controller.abort(new ProxyError('http_protocol_error', 'maybe'))
      return
    }
    if (status >= 500 || this.onTrial) this.judge(status < 500)
    if (status >= 400 && this.retryStatus(status, controller)) return
    this.responded = true
    this.answeredAt = performance.now()
    this.startTimer(this.route.table.timeouts.idleMs)
    // A 204 must not have a content-length (RFC 9110 §8.6).
    if (status === 204) delete headers['content-length']
    const fields = responseFields(headers, status)
    fields.push('via', OWN_HOP)
    if (headers['x-request-id'] === undefined) fields.push('x-request-id', this.requestId)
    const { trailer } = headers
    if (
      typeof trailer === 'string' &&
      headers['transfer-encoding'] !== undefined &&
      this.response.takesTrailers(status)
    ) {
      fields.push('trailer', trailer)
    }
    const length = headers['content-length']
    this.response.begin(
      status,
      reasonPhrase(status, statusText),
      fields,
      typeof length === 'string' ? Number(length) : -1,
    )
    // The body mostly arrives with the header, and both go out in one write. Otherwise the header is flushed alone.
    this.plane.afterThisTurn(this)
  }

  /** Forwards an interim response, except a 100 that the client did not ask for (RFC 9110 §15.2). */
  private onInterim(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status === 100) this.response.letBodyCome()
    else if (status <= SWITCHING_PROTOCOLS || !this.response.interim(status, responseFields(headers, status))) {
      controller.abort(new ProxyError('http_protocol_error', 'maybe'))
    }
  }

  /** Discards this response for a retry at another server, if the policy allows it and a server is available. */
  private retryStatus(status: number, controller: Dispatcher.DispatchController): boolean {
    const answered = this.target as Target
    const next = this.chooseInsteadOf(status, this.isWhole)
    if (next === null || next.target === null) return false
    this.stopTimer()
    answered.end(this)
    this.superseded = true
    controller.abort(new ProxyError('http_response_incomplete', 'yes'))
    this.sendTo(next.pool, next.target)
    return true
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.done) return
    switch (this.response.relay(chunk, this.closes)) {
      case 'more':
        this.timer?.refresh()
        break
      case 'ended':
        this.finish('')
        break
      case 'full':
        this.waitForClient(controller)
        break
    }
  }

  private waitForClient(controller: Dispatcher.DispatchController): void {
    controller.pause()
    this.stopTimer()
    const { idleMs } = this.plane.bodyLimits
    if (idleMs > 0) this.timer = setTimeout(onClientStalled, idleMs, this)
    if (this.listensForDrain) return
    this.listensForDrain = true
    this.response.on('drain', onResponseDrain)
  }

  onResponseEnd(
    _controller: Dispatcher.DispatchController,
    trailers: Record<string, string | string[] | undefined>,
  ): void {
    this.leaveTarget()
    this.judge(true)
    if (this.done) return
    this.response.complete(
      this.response.takesTrailers(this.response.statusCode) ? trailersIn(trailers) : [],
      this.closes,
    )
    this.finish('')
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, cause: Error): void {
    if (this.superseded) {
      this.superseded = false
      return
    }
    const started = this.controller !== null
    this.leaveTarget()
    const error = this.done ? null : classify(cause, started)
    this.judgeFailure(error?.code ?? null)
    if (error === null) return
    if (this.responded) {
      this.breakOff(error.code)
      return
    }
    if (!this.tryAgain(error, this.isWhole)) this.answer(this.failure(error.code))
  }

  // Other events of a request.

  /** Sends the header alone, if no part of the body has come to send it with. */
  flushHead(): void {
    if (this.response.headSent || this.done) return
    try {
      this.response.sendHead(this.closes)
    } catch (error) {
      this.controller?.abort(error as Error)
    }
  }

  get isComplete(): boolean {
    return this.request.complete
  }

  /**
   * Called when the first byte of the body does not come soon. undici sends a header only with the first byte of the
   * body, so nothing has gone to the server yet: the request moves to a connection of its own, where its header goes
   * ahead.
   */
  bodyLate(): void {
    if (this.done || this.responded || this.needsOwnConnection) return
    this.bodyIsLate = true
    this.superseded = true
    this.controller?.abort(new ProxyError('http_request_error', 'no'))
    this.dispatch(this.target as Target)
  }

  bodyStalled(): void {
    this.refuseBody({ status: 408, text: 'The body took too long.' })
  }

  bodyTooLarge(): void {
    this.refuseBody(BODY_TOO_LARGE)
  }

  bodyReleased(): void {
    // Reads and drops the rest of the body, so that the connection can be used again.
    if (this.done) this.request.resume()
  }

  /** Refuses the rest of the body: answers with the reason, unless a response has begun, and closes the connection. */
  refuseBody({ status, text }: Refusal): void {
    if (this.done) return
    if (this.responded) this.breakOff('http_request_denied')
    else this.answer(ownAnswer(status, text, 'http_request_denied', this.requestId))
    this.stop('http_request_denied')
  }

  /** Called when the client has not read from the response for too long. */
  clientStalled(): void {
    this.timer = null
    if (this.done) return
    this.breakOff('client_gone')
    this.stop('client_gone')
    this.connection.socket.destroy()
  }

  clientDrained(): void {
    if (this.done) return
    this.startTimer(this.route.table.timeouts.idleMs)
    this.controller?.resume()
  }

  clientLeft(): void {
    if (this.done) return
    this.done = true
    this.stop('client_gone')
    this.connection.end(this)
    this.record(499, this.response.bytes, 'client_gone')
  }

  cut(reason: ErrorCode = 'drain_timeout'): boolean {
    if (this.done) return false
    if (this.responded) this.breakOff(reason)
    else this.answer(this.failure(reason))
    this.stop(reason)
    return true
  }

  /** Ends the current try in whatever phase it is. A request without a connection yet is never sent. */
  private stop(code: ErrorCode): void {
    this.leaveQueue()
    if (this.controller === null || this.controller.aborted) this.leaveTarget()
    else this.controller.abort(new ProxyError(code, 'maybe'))
  }

  /**
   * Keeps the connection open after this response, unless the client has asked to close it. Returns false if the response
   * has already said that the connection closes.
   */
  keepOpen(): boolean {
    if (this.done || this.response.headSent) return false
    this.isLast = this.head.closes
    return true
  }

  /** Whether the connection closes after this response. */
  private get closes(): boolean {
    return this.plane.isStopping || this.isLast
  }

  protected override answer({ status, code, body, fields }: OwnAnswer): void {
    if (code === 'http_request_denied') {
      this.isLast = true
      this.connection.refused = true
    }
    this.response.answer(status, fields, body, this.closes)
    this.finish(code)
  }

  protected override hangUp(): void {
    this.response.destroy()
  }

  /** Closes the connection after this response. */
  closeGently(): void {
    this.connection.closeGently()
  }

  private breakOff(code: ErrorCode): void {
    this.response.breakOff(this.connection, this.closes)
    this.finish(code)
  }

  private finish(code: ErrorCode | ''): void {
    this.done = true
    if (this.body?.destroyed) this.request.resume()
    this.connection.end(this)
    this.record(this.response.statusCode, this.response.bytes, code)
  }

  private leaveTarget(): void {
    this.stopTimer()
    this.target?.end(this)
  }
}

function onResponseDrain(this: ClientResponse): void {
  this.exchange?.clientDrained()
}

function onClientStalled(exchange: Exchange): void {
  exchange.clientStalled()
}
