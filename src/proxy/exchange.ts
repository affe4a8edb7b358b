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

/** A status up to this one, save 100, is no interim response to a request that asked for none. */
const SWITCHING_PROTOCOLS = 101

/** One request's life: from its header to the last byte of its response, over as many tries as it takes. */
export class Exchange extends ServerCall implements Dispatcher.DispatchHandler, UnderWay, BodyOwner {
  private readonly response: ClientResponse
  private body: RequestBody | null = null
  private bodyIsLate = false
  /** This try was given up for another one. */
  private superseded = false
  private responded = false
  private listensForDrain = false
  private isLast = false
  /** The request has ended for its client, well or badly; nothing more is sent. */
  private done = false

  constructor(plane: DataPlane, request: IncomingMessage, response: ClientResponse, connection: ClientConnection) {
    super(plane, request, connection)
    this.response = response
    response.exchange = this
  }

  /** `isLast`: the connection closes with the answer to this request, unless `keepOpen` is called before. */
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
    if (this.body !== null && this.isOutOfTheOrdinary) {
      const headers = [...this.fields, ...this.head.extraFields()]
      const { responseMs: headersTimeout, idleMs: bodyTimeout } = timeouts
      target.connections.dispatchAlone({ ...options, headers, headersTimeout, bodyTimeout }, this.body, this)
      return
    }
    target.connections.dispatch(options, this, !this.mayRepeat(!this.head.hasBody || this.bodyWillBeKept()))
  }

  /** Its body is held back until the server asks for it, keeps its head waiting, or will be followed by trailers. */
  private get isOutOfTheOrdinary(): boolean {
    return (
      this.response.awaitsContinue ||
      this.bodyIsLate ||
      (this.head.trailer !== '' && this.head.transferEncoding !== null)
    )
  }

  // What the upstream connection says, in undici's words. An exception in here aborts this request only.

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
    if (status >= 400 && this.triesAgain(status, controller)) return
    this.responded = true
    this.answeredAt = performance.now()
    this.startTimer(this.route.table.timeouts.idleMs)
    // Of a message that has no body (RFC 9110 §8.6).
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
    // The body mostly comes with the header: header and body then go out in one write. If it does not, the header does.
    this.plane.afterThisTurn(this)
  }

  /** What comes before the answer is the client's too, save a 100 that it did not ask for (RFC 9110 §15.2). */
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

  /** Gives up this answer for another try, where the policy and the state of things allow one. */
  private triesAgain(status: number, controller: Dispatcher.DispatchController): boolean {
    const answered = this.target as Target
    const next = this.serverInsteadOf(status, this.isWhole)
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

  // What else can happen to a request.

  /** The header is sent now if nothing came that it could have been sent with. */
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
   * undici sends a head only with the first byte of its body, so that nothing has gone to the server yet: the request
   * moves to a connection of its own, on which its head goes ahead.
   */
  bodyLate(): void {
    if (this.done || this.responded || this.isOutOfTheOrdinary) return
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
    // What the client still sends is read and dropped, or its connection could not be used again.
    if (this.done) this.request.resume()
  }

  /** The rest of the body is not taken: the client is told why, if it has not been answered yet, and hung up on. */
  refuseBody({ status, text }: Refusal): void {
    if (this.done) return
    if (this.responded) this.breakOff('http_request_denied')
    else this.answer(ownAnswer(status, text, 'http_request_denied', this.requestId))
    this.stop('http_request_denied')
  }

  /** The client takes nothing of the response any more. */
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

  /** Ends the try under way, wherever it is. A request that waits for its connection is never sent. */
  private stop(code: ErrorCode): void {
    this.leaveQueue()
    if (this.controller === null || this.controller.aborted) this.leaveTarget()
    else this.controller.abort(new ProxyError(code, 'maybe'))
  }

  /** The connection can go on after all, as far as the client wants it to. */
  keepOpen(): void {
    this.isLast = this.head.closes
  }

  /** The connection ends with this answer. */
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

  /** The connection ends with this answer. */
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
