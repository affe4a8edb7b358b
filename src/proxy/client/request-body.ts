import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { trailersOf } from '../trailers.ts'

/** Who is told when a body cannot be taken to its end. */
export interface BodyOwner {
  /** The server's connection is there, and nothing of the body has come yet. */
  bodyLate(): void
  /** The client has sent nothing for too long. */
  bodyStalled(): void
  /** More has come than is allowed. */
  bodyTooLarge(): void
  /** A try takes no more of the body. */
  bodyReleased(): void
}

/** 0 = none. */
export interface BodyLimits {
  readonly bytes: number
  readonly idleMs: number
}

/** What of a body has been taken from the client so far, kept for another try as long as it is not too much. */
export class KeptBody {
  /** All that was taken; null = more than is kept. */
  chunks: Buffer[] | null = []
  bytes = 0
  private readonly most: number

  /** `most`: bytes that are kept at most; 0 = none. */
  constructor(most: number) {
    this.most = most
  }

  take(chunk: Buffer): void {
    this.bytes += chunk.length
    if (this.bytes > this.most) this.chunks = null
    else this.chunks?.push(chunk)
  }
}

/** A body whose first byte takes longer than this is late: most come in the same breath as their head. */
const LATE_MS = 50

/**
 * A request's body for one try at a server. Nothing is taken from the client before the server's connection is there,
 * so that a failed connect leaves the body whole for another try; and the end of a try is not the end of the client's
 * connection.
 */
export class RequestBody extends Readable {
  private touched = false
  private readonly source: IncomingMessage
  private readonly limits: BodyLimits
  private readonly owner: BodyOwner
  private readonly kept: KeptBody
  /** Runs while more is waited for. */
  private timer: NodeJS.Timeout | null = null
  /** Runs until the first byte. */
  private lateTimer: NodeJS.Timeout | null = null

  /** `kept`: what tries before this one have taken; it goes first. */
  constructor(source: IncomingMessage, kept: KeptBody, limits: BodyLimits, owner: BodyOwner) {
    super()
    this.source = source
    this.kept = kept
    this.limits = limits
    this.owner = owner
  }

  /** What followed the body, once it has ended. */
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
    // A try before this one has paused it.
    this.source.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.stopWaiting()
    this.stopLateTimer()
    this.source.off('data', this.onData).off('end', this.onEnd).off('close', this.onClose)
    // Another try may want the rest; whoever wants none of it drops it.
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

  /** Nothing has come in time: unless it has meanwhile, its owner is told. */
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

/** After a pause of this process, the body may be there to be read: timers come first in a turn of the event loop. */
function onLateTimer(body: RequestBody): void {
  setImmediate(tellLate, body)
}

function tellLate(body: RequestBody): void {
  body.tellLate()
}
