import type { Dispatcher } from 'undici'
import type { BodyOwner } from './client/request-body.ts'
import { KeptBody, RequestBody } from './client/request-body.ts'
import { ProxyError } from './errors.ts'
import { Passage } from './passage.ts'

/**
 * Timeouts from this one up use undici's own timers, which are late by up to a second, i.e. by at most a tenth. Shorter
 * timeouts use a timer here.
 */
const COARSE_TIMER_MS = 10_000

/** Base of `Exchange` and `Tunnel` for one try at a server: the request body, and the timeouts of the response. */
export abstract class ServerCall extends Passage {
  /** undici's controller of the current try; null = the try has no connection yet. */
  protected controller: Dispatcher.DispatchController | null = null
  /** Timeout of the server or, while the client does not read, of the client. */
  protected timer: NodeJS.Timeout | null = null
  private kept: KeptBody | null = null

  /** Returns the body for one try. It begins with the bytes that previous tries have read. */
  protected takeBody(owner: BodyOwner): RequestBody {
    this.kept ??= new KeptBody(this.isRepeatable ? this.route.table.retry.bodyBytes : 0)
    return new RequestBody(this.request, this.kept, this.plane.bodyLimits, owner)
  }

  /** Whether the whole body will be kept for a retry. */
  protected bodyWillBeKept(): boolean {
    const { contentLength } = this.head
    return contentLength !== null && Number(contentLength) <= this.route.table.retry.bodyBytes
  }

  /** Whether the request can be sent again unchanged. */
  protected get isWhole(): boolean {
    return this.kept === null || this.kept.chunks !== null
  }

  /** Starts the timeout of the server, if it is too short for undici's timers (see `coarse`). 0 = no timeout. */
  protected startTimer(timeoutMs: number): void {
    this.stopTimer()
    if (timeoutMs === 0 || timeoutMs >= COARSE_TIMER_MS) return
    this.timer = setTimeout(onTimeout, timeoutMs, this)
  }

  protected stopTimer(): void {
    if (this.timer === null) return
    clearTimeout(this.timer)
    this.timer = null
  }

  /** Aborts the try, because the server took too long. */
  timedOut(): void {
    this.timer = null
    this.controller?.abort(new ProxyError('http_response_timeout', 'maybe'))
  }
}

function onTimeout(call: ServerCall): void {
  call.timedOut()
}

/** The timeout to pass to undici: 0 (none) for timeouts that `startTimer` handles. */
export function coarse(timeoutMs: number): number {
  return timeoutMs >= COARSE_TIMER_MS ? timeoutMs : 0
}
