import type { Dispatcher } from 'undici'
import type { BodyOwner } from './client/request-body.ts'
import { KeptBody, RequestBody } from './client/request-body.ts'
import { ProxyError } from './errors.ts'
import { Passage } from './passage.ts'

/**
 * undici's own timers are late by up to a second. Timeouts from this one up are left to them, since a tenth of them is no
 * less; shorter ones get a timer of their own.
 */
const COARSE_TIMER_MS = 10_000

/** A passage while a server has it: the body on its way there, and the time that the answer may take. */
export abstract class ServerCall extends Passage {
  /** Of the try under way; null = it has no connection yet. */
  protected controller: Dispatcher.DispatchController | null = null
  /** Runs while the server is waited for, or the client. */
  protected timer: NodeJS.Timeout | null = null
  private kept: KeptBody | null = null

  /** The body for one try; what tries before this one have taken of it goes first. */
  protected takeBody(owner: BodyOwner): RequestBody {
    this.kept ??= new KeptBody(this.isRepeatable ? this.route.table.retry.bodyBytes : 0)
    return new RequestBody(this.request, this.kept, this.plane.bodyLimits, owner)
  }

  /** Whether all of the body will be kept for another try. */
  protected bodyWillBeKept(): boolean {
    const { contentLength } = this.head
    return contentLength !== null && Number(contentLength) <= this.route.table.retry.bodyBytes
  }

  /** Whether the request can be sent once more as it came. */
  protected get isWhole(): boolean {
    return this.kept === null || this.kept.chunks !== null
  }

  /** Waits this long for the server; 0 = for ever. `coarse` tells undici of those that are not waited for here. */
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

  /** The server has taken too long. */
  timedOut(): void {
    this.timer = null
    this.controller?.abort(new ProxyError('http_response_timeout', 'maybe'))
  }
}

function onTimeout(call: ServerCall): void {
  call.timedOut()
}

/** What undici is told of a timeout: 0 (none) for those that `startTimer` keeps to. */
export function coarse(timeoutMs: number): number {
  return timeoutMs >= COARSE_TIMER_MS ? timeoutMs : 0
}
