import type { Duplex } from 'node:stream'
import type { BodyReader } from '../../http1/body-reader.ts'
import { Gathered } from '../../http1/gathered.ts'
import type { CallFailure, CallHandler, OutboundRequest, ResponseStart } from '../../http1/outbound-call.ts'
import type { TallyKind } from '../../model/messages.ts'
import type { ServiceSpec } from '../../model/spec.ts'
import type { ClientEnds } from '../../net/proxy-header.ts'
import type { BodyCopy } from '../client/request-body.ts'
import { type ErrorCode, failureOf } from '../errors.ts'
import type { RoutedRequest } from '../routing/routed-request.ts'
import type { Target, UnderWay } from './target.ts'
import type { UpstreamCall } from './upstream-call.ts'

/** The field that tells an app that a request is a copy. */
const MARK = 'x-cutover-mirror: 1\r\n'

/** How a copy has ended: answered, without a whole answer, or not sent at all. */
export type CopyCount = Extract<TallyKind, 'mirrored' | 'mirrorFailures' | 'mirrorDropped'>

/** The mirror that copies requests. */
export interface CopyOwner {
  readonly timeouts: ServiceSpec['timeouts']
  /** Max bytes of the body of a copy. */
  readonly maxBodyBytes: number
  /** Picks a server for a copy; null = there is none with room. */
  pick(routed: RoutedRequest | null): Target | null
  /** A copy has ended, and its place is free. `label`: the status of the answer, or the reason why there is none. */
  ended(count: CopyCount, label: string): void
  /** The answer to a copy has another status class than that to its original. */
  differs(): void
}

/**
 * The copy of one request: keeps the body as it passes, and is sent when the request has come whole. The answer is read
 * and discarded. Nothing that becomes of it is reported to the original, or counted for or against the server.
 */
export class MirrorCall implements BodyCopy, CallHandler, UnderWay {
  slot = -1
  private readonly owner: CopyOwner
  private readonly request: OutboundRequest
  private readonly source: Pick<BodyReader, 'bytes'>
  private readonly routed: RoutedRequest | null
  private readonly client: ClientEnds | null
  private phase: 'gathering' | 'whole' | 'over' = 'gathering'
  private body: Gathered | null
  private trailers = ''
  private target: Target | null = null
  private call: UpstreamCall | null = null
  /** Status of the answer, and of that to the original; 0 = none. */
  private status = 0
  private originalStatus = 0
  /** Whether the original has ended: the time that is left for the answer is not extended any more. */
  private isLate = false

  /**
   * `request`: the original as it was sent. `source`: its body. `routed`: null if the balance does not look at it.
   * `client`: null if no server is told of it.
   */
  constructor(
    owner: CopyOwner,
    request: OutboundRequest,
    source: Pick<BodyReader, 'bytes'>,
    routed: RoutedRequest | null,
    client: ClientEnds | null,
  ) {
    this.owner = owner
    this.request = request
    this.source = source
    this.routed = routed
    this.client = client
    this.body = request.body === 'none' ? null : new Gathered()
    if (this.body === null) this.end('')
  }

  add(piece: Buffer): void {
    if (this.phase !== 'gathering') return
    if (this.source.bytes > this.owner.maxBodyBytes) this.finish('mirrorDropped', 'body_too_large')
    else this.body?.add(piece)
  }

  end(trailers: string): void {
    if (this.phase !== 'gathering') return
    this.phase = 'whole'
    this.trailers = trailers
    // In a turn of its own: the original goes first, and an error here is not the original's.
    setImmediate(sendCopy, this)
  }

  /** Sends the copy to a server. */
  send(): void {
    const { request } = this
    const target = this.owner.pick(this.routed)
    if (target === null) {
      this.finish('mirrorDropped', 'no_server')
      return
    }
    const { method, path, body, upgrade, takesTrailers } = request
    const copy = { method, path, lines: request.lines + MARK, body, upgrade, takesTrailers }
    const call = target.connections.call(copy, this)
    this.target = target
    this.call = call
    target.beginCopy(this)
    // A copy is not sent again, so it must not meet a connection that the server is closing.
    target.connections.start(call, true, this.client)
  }

  /** The original has ended; `status`: that of the answer to it, 0 = none. */
  originalEnded(status: number): void {
    this.originalStatus = status
    if (this.phase === 'gathering') this.finish('mirrorDropped', 'incomplete')
    else if (this.phase === 'over') this.compare()
    else if (this.owner.timeouts.responseMs > 0) {
      // An endless answer must not keep its place for ever.
      this.extend(this.owner.timeouts.responseMs)
      this.isLate = true
    }
  }

  onSent(): void {
    const { body } = this
    const call = this.call as UpstreamCall
    call.setTimeout(this.owner.timeouts.responseMs)
    if (body === null) return
    this.body = null
    if (body.length > 0) call.write(body.bytes.subarray(0, body.length))
    call.end(this.trailers)
  }

  onServerReady(): void {
    // The whole body was written at once.
  }

  onInterim(): void {
    this.extend(this.owner.timeouts.responseMs)
  }

  onResponse({ status }: ResponseStart): void {
    this.status = status
  }

  onResponseBody(): void {
    // Discarded.
  }

  onRead(): void {
    if (this.status > 0) this.extend(this.owner.timeouts.idleMs)
  }

  onResponseEnd(): void {
    this.finish('mirrored', String(this.status))
    this.compare()
  }

  onUpgrade(_response: unknown, socket: Duplex): void {
    socket.destroy()
    this.finish('mirrorFailures', 'http_protocol_error')
  }

  onFailed(cause: CallFailure): void {
    this.finish('mirrorFailures', failureOf(cause).code)
  }

  cut(reason: ErrorCode = 'drain_timeout'): boolean {
    if (this.phase === 'over') return false
    this.call?.abort()
    this.finish('mirrorFailures', reason)
    return true
  }

  /** Sets the time for what the server does next. */
  private extend(timeoutMs: number): void {
    if (!this.isLate) this.call?.setTimeout(timeoutMs)
  }

  /** Compares the answers, once both are known. */
  private compare(): void {
    const { status, originalStatus } = this
    if (status === 0 || originalStatus === 0) return
    if (Math.floor(status / 100) !== Math.floor(originalStatus / 100)) this.owner.differs()
  }

  private finish(count: CopyCount, label: string): void {
    if (this.phase === 'over') return
    this.phase = 'over'
    this.body = null
    this.call = null
    // Only a whole answer is compared.
    if (count !== 'mirrored') this.status = 0
    this.target?.endCopy(this)
    this.owner.ended(count, label)
  }
}

function sendCopy(copy: MirrorCall): void {
  try {
    copy.send()
  } catch {
    // An error in the handling of one request must not affect others.
    copy.cut('proxy_internal_error')
  }
}
