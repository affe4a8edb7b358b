import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { trailersOf } from '../trailers.ts'

/** Receives notifications about a request's body. */
export interface BodyOwner {
  /** The connection to the server is ready, and no byte of the body has arrived yet. */
  bodyLate(): void
  /** The client has been silent for too long. */
  bodyStalled(): void
  /** The body exceeds its limit. */
  bodyTooLarge(): void
  /** A try has stopped reading the body. */
  bodyReleased(): void
}

/** 0 = none. */
export interface BodyLimits {
  readonly bytes: number
  readonly idleMs: number
}

/** The part of a body read so far, kept for another try unless it is too large. */
export class KeptBody {
  /** All that was read; null = too large to keep. */
  chunks: Buffer[] | null = []
  bytes = 0
  private readonly most: number

  /** `most`: max bytes to keep; 0 = none. */
  constructor(most: number) {
    this.most = most
  }

  take(chunk: Buffer): void {
    this.bytes += chunk.length
    if (this.bytes > this.most) this.chunks = null
    else this.chunks?.push(chunk)
  }
}

/** A body whose first byte takes longer is late; most bodies arrive together with the head. */
const LATE_MS = 50

/**
 * A request's body for one try at a server. Reading begins when the connection to the server is ready, so that a failed
 * connect leaves the body whole for another try. The end of a try does not end the client's connection.
 */
export class RequestBody extends Readable {
  private touched = false
  private readonly source: IncomingMessage
  private readonly limits: BodyLimits
  private readonly owner: BodyOwner
  private readonly kept: KeptBody
  /** Runs while waiting for more of the body. */
  private timer: NodeJS.Timeout | null = null
  /** Runs until the first byte. */
  private lateTimer: NodeJS.Timeout | null = null

  /** `kept`: the part that earlier tries have read; it is sent first. */
  constructor(source: IncomingMessage, kept: KeptBody, limits: BodyLimits, owner: BodyOwner) {
    super()
    this.source = source
    this.kept = kept
    this.limits = limits
    this.owner = owner
  }

  /** Trailers, once the body has ended. */
  get trailers(): readonly [string, string][] {
    return trailersOf(this.source.rawTrailers)
  }

  override _read(): void {
    this.waitForMore()
    if (this.touched) {
      this.source.resume()
      return
    }
    this.touched = true
    for (const chunk of this.kept.chunks ?? []) this.push(chunk)
    if (this.source.readableEnded) {
      this.onEnd()
      return
    }
    if (this.kept.bytes === 0 && !this.source.complete && this.source.readableLength === 0) {
      this.lateTimer = setTimeout(onLateTimer, LATE_MS, this)
    }
    this.source.on('data', this.onData).on('end', this.onEnd).on('error', this.onBroken).on('close', this.onClose)
    // An earlier try has paused it.
    this.source.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.stopWaiting()
    this.stopLateTimer()
    this.source.off('data', this.onData).off('end', this.onEnd).off('close', this.onClose)
    // Another try may read the rest; otherwise the owner drops it.
    if (this.touched) this.source.pause()
    this.owner.bodyReleased()
    callback(error)
  }

  private readonly onData = (chunk: Buffer): void => {
    this.kept.take(chunk)
    this.stopLateTimer()
    if (this.limits.bytes > 0 && this.kept.bytes > this.limits.bytes) {
      this.owner.bodyTooLarge()
      return
    }
    if (this.push(chunk)) {
      this.timer?.refresh()
      return
    }
    this.stopWaiting()
    this.source.pause()
  }

  private readonly onEnd = (): void => {
    this.stopWaiting()
    this.stopLateTimer()
    this.push(null)
  }

  private waitForMore(): void {
    if (this.limits.idleMs === 0 || this.timer !== null || this.source.readableEnded) return
    this.timer = setTimeout(() => this.owner.bodyStalled(), this.limits.idleMs)
  }

  /** Notifies the owner that the body is late, unless it has arrived meanwhile. */
  tellLate(): void {
    if (!this.destroyed && this.kept.bytes === 0 && !this.source.complete) this.owner.bodyLate()
  }

  private stopLateTimer(): void {
    if (this.lateTimer === null) return
    clearTimeout(this.lateTimer)
    this.lateTimer = null
  }

  private stopWaiting(): void {
    if (this.timer === null) return
    clearTimeout(this.timer)
    this.timer = null
  }

  private readonly onClose = (): void => {
    if (!this.source.complete) this.onBroken(new Error('the client broke off its request'))
  }

  private readonly onBroken = (error: Error): void => {
    this.destroy(error)
  }
}

/** After a pause of this process the body may be readable already: timers run first in a turn of the event loop. */
function onLateTimer(body: RequestBody): void {
  setImmediate(tellLate, body)
}

function tellLate(body: RequestBody): void {
  body.tellLate()
}
