import type { Duplex } from 'node:stream'
import type { Fields } from '../http1/fields.ts'
import type { RequestOwner } from '../http1/inbound-request.ts'
import type { CallFailure, CallHandler, ResponseStart } from '../http1/outbound-call.ts'
import { NO_SWITCH_OF_PROTOCOLS } from '../http1/refusal.ts'
import type { StoppedMode } from '../model/service-mode.ts'
import type { ClientEnds } from '../net/proxy-header.ts'
import { admit, routeInstead } from './admission.ts'
import type { Client } from './client/client.ts'
import type { RequestUnderWay } from './client/client-connection.ts'
import { clientEnds } from './client/client-ends.ts'
import { ClientRequest } from './client/client-request.ts'
import type { ClientStream } from './client/client-stream.ts'
import type { Refusal } from './client/guard.ts'
import { type BodyOwner, RequestBody } from './client/request-body.ts'
import { RequestHead } from './client/request-head.ts'
import { newRequestId } from './client/request-id.ts'
import { finalAnswer, mayHaveMore, passInterim, respond, respondWith } from './client/respond.ts'
import { isSampled } from './client/trace-context.ts'
import type { ProxyContext } from './context.ts'
import { type ErrorCode, failureOf } from './errors.ts'
import { grpcAnswer } from './grpc/answer.ts'
import { GrpcCall, isGrpc } from './grpc/call.ts'
import { DEADLINE_EXCEEDED } from './grpc/status.ts'
import { type HookedRequest, type HookSubject, hookedRequest } from './hooks/hooked-request.ts'
import { openTunnel } from './open-tunnel.ts'
import { outboundRequest } from './outbound-request.ts'
import { failure, type OwnAnswer, ownAnswer, stoppedAnswer } from './own-answer.ts'
import { record } from './record.ts'
import { RequestTrace } from './request-trace.ts'
import { ResponseFlow } from './response-flow.ts'
import type { ServiceRoute } from './routing/service-route.ts'
import { type Tried, Tries } from './routing/tries.ts'
import { trailerLines } from './trailers.ts'
import type { Tunnel, TunnelOwner } from './tunnel.ts'
import type { MirrorCall } from './upstream/mirror-call.ts'
import type { Target, UnderWay } from './upstream/target.ts'
import type { UpstreamCall } from './upstream/upstream-call.ts'

/** A WebSocket over HTTP/2 that the server did not switch to: to such a client, any success would say that it did. */
const NO_SWITCH: CallFailure = { kind: 'nonsense', refusal: NO_SWITCH_OF_PROTOCOLS }

/** Handles one request from its header to the last byte of its response, with all of its tries. */
export class Exchange
  implements RequestUnderWay, RequestOwner, BodyOwner, Tried, CallHandler, UnderWay, TunnelOwner, HookSubject
{
  readonly stream: ClientStream
  readonly client: Client
  readonly head: RequestHead
  readonly requestId: string
  /** Begin of the request, monotonic ms. */
  readonly startedAt = performance.now()
  /** Time at which the last try had a connection, and at which the response began; monotonic ms, 0 = not yet. */
  connectedAt = 0
  answeredAt = 0
  status = 0
  /** null = no service was found. */
  tries: Tries | null = null
  /** The copy of this request that a mirror gets; null = none. */
  copy: MirrorCall | null = null
  /** null = there are no hooks, or the request has not come as far as these. */
  hooked: HookedRequest | null = null
  /** null = the request is not traced. */
  trace: RequestTrace | null = null
  /** null = this is no call of gRPC. */
  grpc: GrpcCall | null = null
  slot = -1
  /** Path and query for the server. */
  path = ''
  /** The request as policies see it; null = none has looked at it. */
  seen: ClientRequest | null = null
  private readonly context: ProxyContext
  /** Field lines for the server, the same for all tries. */
  lines = ''
  private call: UpstreamCall | null = null
  private body: RequestBody | null = null
  /** The body of the response, from the server. */
  private response: ResponseStart['body'] | null = null
  private awaitsContinue: boolean
  private isBodySent = false
  private responded = false
  private readonly flow: ResponseFlow
  private tunnel: Tunnel | null = null
  /** Whether the request has ended for its client, successfully or not; nothing more is sent. */
  private done = false

  constructor(context: ProxyContext, stream: ClientStream, client: Client) {
    this.context = context
    this.stream = stream
    this.client = client
    this.flow = new ResponseFlow(stream)
    const { fields, version, body, method } = stream
    this.head = new RequestHead(fields, version, body.framing.kind !== 'none', method === 'OPTIONS')
    this.requestId = this.head.trustedRequestId(client.trusted) || newRequestId()
    this.awaitsContinue = this.head.awaitsContinue
  }

  start(): void {
    this.stream.owner = this
    if (this.stream.version === '2.0' && isGrpc(this.head.fields))
      this.grpc = new GrpcCall(this.head.fields, () => this.grpcDeadline())
    const admitted = admit(this.context, this.stream, this.client, this.head, this.requestId)
    if ('status' in admitted) {
      this.answer(admitted)
      return
    }
    this.path = admitted.path
    const { forwarding } = this.context.settings
    this.lines = this.head.linesFor(this.client, this.requestId, admitted.prefix, forwarding)
    if (this.context.tracing !== null && isSampled(this.head.traceparent)) this.trace = new RequestTrace(this)
    this.tries = new Tries(this.context, this, admitted.route)
    this.hooked = hookedRequest(this.context.hooks, this)
    this.tries.begin()
  }

  get routed(): ClientRequest {
    this.seen ??= new ClientRequest(this.stream, this.head, this.client, this.context.trustedProxies)
    return this.seen
  }

  get isWhole(): boolean {
    return this.body === null || this.body.isWhole
  }

  otherRoute(): ServiceRoute | null {
    return routeInstead(this.context, this.stream, this.head, (this.tries as Tries).route)
  }

  send(target: Target): void {
    const tries = this.tries as Tries
    const { connections } = target
    if (this.trace !== null) this.lines = this.trace.linesFor(this.lines)
    const request = outboundRequest(this, connections.host)
    const client = connections.tellsClient ? this.clientEnds() : null
    if (request === null) {
      this.failHook()
      return
    }
    const call = connections.call(request, this)
    target.begin(this)
    this.connectedAt = 0
    this.call = call
    if (tries.count === 1) this.copy = tries.route.mirror?.copyOf(request, this) ?? null
    const { length } = this.stream.body.framing
    const isKept = length >= 0 && length <= tries.route.table.retry.bodyBytes
    connections.start(call, !tries.mayRepeat(isKept), client)
  }

  clientEnds(): ClientEnds {
    return clientEnds(this.client, this.head.forwardedFor, this.context.trustedProxies)
  }

  fail(code: ErrorCode): void {
    this.answer(failure(code, this.requestId))
  }

  answerStopped(mode: StoppedMode): void {
    this.answer(stoppedAnswer(mode, this.requestId))
  }

  onSent(): void {
    this.connectedAt = performance.now()
    const call = this.call as UpstreamCall
    // A server that decides about the body is expected to respond now.
    if (!this.head.hasBody || this.awaitsContinue) call.setTimeout(this.timeouts.responseMs)
    if (!this.head.hasBody) return
    if (this.body === null) {
      const { isRepeatable, route, target } = this.tries as Tries
      const isKept = isRepeatable || target?.connections.mayRefuse === true
      const keptBytes = isKept ? route.table.retry.bodyBytes : 0
      const { bodyBytes: maxBytes } = this.context.settings.limits
      this.body = new RequestBody(this.stream, { keptBytes, maxBytes, copy: this.copy }, this)
    }
    this.body.sendOn(call)
  }

  onServerReady(): void {
    this.body?.serverReady()
  }

  onInterim(status: number, fields: Fields): void {
    if (this.isBodySent) this.call?.setTimeout(this.timeouts.responseMs)
    if (passInterim(this.stream, status, fields, this.awaitsContinue)) this.awaitsContinue = false
  }

  onResponse(response: ResponseStart): void {
    const { status, fields } = response
    const tries = this.tries as Tries
    this.grpc?.note(fields)
    const judged = this.grpc === null ? status : this.grpc.httpStatus(status)
    tries.answered(judged, fields)
    if (status < 300 && this.stream.mustSwitch) {
      this.onFailed(NO_SWITCH)
      return
    }
    if (judged >= 400 && tries.insteadOf(judged)) return
    this.began(status)
    this.response = response.body
    this.mayClose()
    if (!respond(this.stream, response, this)) this.failHook()
  }

  onResponseBody(piece: Buffer): void {
    this.flow.pass(piece, this.call)
  }

  onRead(): void {
    if (!this.responded) return
    this.stream.flush()
    this.flow.serverActive(this.call, this.timeouts.idleMs)
  }

  onResponseEnd(trailers: Fields): void {
    this.leaveTarget()
    this.grpc?.note(trailers)
    this.tries?.outcome.report(this.grpc === null || this.grpc.httpStatus(200) < 500)
    // First, because the end of the response begins the next request of the connection.
    this.finish('')
    this.stream.end(trailers.count === 0 ? '' : trailerLines(trailers))
  }

  onUpgrade(response: Omit<ResponseStart, 'body'>, server: Duplex, early: readonly Buffer[]): void {
    const tries = this.tries as Tries
    tries.outcome.report(true)
    this.began(response.status)
    this.tunnel = openTunnel(this.context, this, tries, response, server, early)
    if (this.tunnel === null) this.failHook()
    else this.tunnel.start()
  }

  tunnelEnded(tunnel: Tunnel, code: ErrorCode | ''): void {
    this.tries?.target?.end(tunnel)
    this.client.tunnelled = false
    this.finish(code, tunnel.bytesToClient)
  }

  onFailed(cause: CallFailure): void {
    const error = failureOf(cause)
    this.leaveTry()
    this.tries?.outcome.failed(error.code)
    if (this.responded) this.breakOff(error.code, 'reset' in cause ? cause.reset : undefined)
    else if (this.tries?.again(error) !== true) this.fail(error.code)
  }

  bodyWaits(isWaiting: boolean): void {
    const { idleMs, responseMs } = this.timeouts
    if (!this.responded) this.call?.setTimeout(isWaiting ? idleMs : this.isBodySent ? responseMs : 0)
  }

  bodySent(): void {
    this.isBodySent = true
    this.bodyWaits(false)
  }

  /** Refuses the rest of the body: answers with the reason, unless a response has begun, and closes the connection. */
  refuseBody({ status, text }: Refusal): void {
    if (this.done) return
    this.abandon()
    if (this.responded) this.breakOff('http_request_denied')
    else this.answer(ownAnswer(status, text, 'http_request_denied', this.requestId))
  }

  onClientGone(): void {
    if (this.done) return
    this.abandon()
    this.finish('client_gone')
  }

  onClientEnded(): void {
    // A client that waits for a switch of protocols, and can send nothing in the new one, has left.
    if (this.head.upgrade !== '' && !this.responded && !this.done) this.stream.destroy()
  }

  onClientReady(): void {
    if (this.response !== null) this.flow.clientReady(this.call, this.timeouts.idleMs)
  }

  cut(reason: ErrorCode = 'drain_timeout'): boolean {
    if (this.done) return false
    if (this.tunnel !== null) return this.tunnel.cut(reason)
    this.abandon()
    if (this.responded) this.breakOff(reason)
    else this.fail(reason)
    return true
  }

  private began(status: number): void {
    this.responded = true
    this.status = status
    this.answeredAt = performance.now()
  }

  private get timeouts() {
    return (this.tries as Tries).route.table.timeouts
  }

  answer(given: OwnAnswer): void {
    const own = finalAnswer(given, this)
    this.responded = true
    if (own.code === 'http_request_denied') this.stream.closes = true
    this.mayClose()
    if (this.grpc !== null) {
      const { answer, status } = grpcAnswer(own)
      this.grpc.status = status
      this.finish(own.code, 0)
      respondWith(this.stream, answer)
      return
    }
    this.finish(own.code, this.stream.method === 'HEAD' ? 0 : Buffer.byteLength(own.body))
    respondWith(this.stream, own)
  }

  /** Ends a call whose client waits no longer. Its server is not blamed: the client has chosen the time. */
  private grpcDeadline(): void {
    if (this.done || this.grpc === null) return
    this.abandon()
    if (!this.responded) {
      this.fail('http_response_timeout')
      return
    }
    this.grpc.status = DEADLINE_EXCEEDED
    this.finish('http_response_timeout')
    this.stream.end(`grpc-status: ${DEADLINE_EXCEEDED}\r\n`)
  }

  /** Gives up the current try, of whose response nothing was sent, because a hook has failed. */
  private failHook(): void {
    this.abandon()
    this.tries?.outcome.failed(null)
    this.fail('hook_failed')
  }

  private mayClose(): void {
    if (this.context.isStopping || mayHaveMore(this.stream, this.head, this.awaitsContinue)) this.stream.closes = true
  }

  private breakOff(code: ErrorCode, reset?: number): void {
    this.stream.breakOff(reset)
    this.finish(code)
  }

  /** Gives up the current try, in whatever phase it is. A request without a connection yet is never sent. */
  private abandon(): void {
    this.hooked?.leave()
    this.tries?.stopWaiting()
    if (this.call === null) return
    this.leaveTry()
    this.tries?.outcome.failed(null)
  }

  leaveTry(): void {
    this.call?.abort()
    this.isBodySent = false
    this.body?.leave()
    this.leaveTarget()
  }

  private leaveTarget(): void {
    this.call = null
    this.tries?.target?.end(this)
  }

  /** `bytes`: body bytes for the client. */
  private finish(code: ErrorCode | '', bytes = this.response?.bytes ?? 0): void {
    if (this.done) return
    this.done = true
    this.grpc?.ended()
    this.client.ended()
    record(this.context, this, code === 'client_gone' ? 499 : this.status, bytes, code)
  }
}
