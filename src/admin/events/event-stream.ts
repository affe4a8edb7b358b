import { Readable } from 'node:stream'
import type { EventRecord } from '../../model/event-record.ts'
import { eventArrival } from '../../store/event-arrival.ts'
import type { EarlyEvent, EventLog } from '../../store/event-log.ts'

/** Bytes that may wait in this stream; those in the socket come on top. */
const MAX_BYTES = 64 * 1024
/** Events that are turned into text at once. */
const BATCH = 50
/** Time after which a reader that has lost its connection comes back, ms. */
const RETRY_MS = 2_000
const HEARTBEAT_MS = 15_000
/** Time without reading after which a reader is cut, ms. */
const PATIENCE_MS = 30_000
/** Max events whose ids are still to be sent: more never wait for the store. */
const MAX_EARLY = 2_000

export interface EventStreamOptions {
  readonly log: EventLog
  /** Id of the last event that the reader has; null = it begins now. */
  readonly after: string | null
  readonly fits: (event: EventRecord) => boolean
  /** Called when the reader was cut since it does not read. */
  readonly onCut: () => void
  readonly heartbeatMs?: number
  readonly patienceMs?: number
}

/**
 * The events of a log as Server-Sent Events for one reader. It holds a position in the log and no events: what a slow
 * reader has not taken is read when it does, and a reader that takes nothing for a while is cut.
 */
export class EventStream extends Readable {
  readonly #options: EventStreamOptions
  readonly #unsubscribe: () => void
  readonly #heartbeat: NodeJS.Timeout
  /** Id of the last event that was looked at; null = the log has not been read yet. */
  #position: string | null = null
  /** The id that the reader knows. */
  #told: string | null = null
  /** Whether the reader takes more. */
  #isWanted = false
  #isScheduled = false
  /** When the reader last took something, monotonic ms. */
  #takenAt = performance.now()
  /** Events that were sent without an id, by ref. */
  readonly #early = new Set<string>()

  constructor(options: EventStreamOptions) {
    super({ highWaterMark: MAX_BYTES })
    this.#options = options
    const { log, heartbeatMs = HEARTBEAT_MS } = options
    this.push(`retry: ${RETRY_MS}\n\n`)
    this.#unsubscribe = log.subscribe((early) => (early === null ? this.#wake() : this.#sendEarly(early)))
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs).unref()
    void this.#start()
  }

  override _read(): void {
    this.#isWanted = true
    this.#takenAt = performance.now()
    this.#wake()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#unsubscribe()
    clearInterval(this.#heartbeat)
    done(error)
  }

  /** Ends the stream in good order. */
  end(): void {
    if (!this.readableEnded && !this.destroyed) this.push(null)
    this.#isWanted = false
    this.#unsubscribe()
    clearInterval(this.#heartbeat)
  }

  async #start(): Promise<void> {
    const { log, after } = this.#options
    await log.whenLoaded()
    if (after !== null) await eventArrival(log, after)
    if (!this.destroyed) this.#begin()
  }

  #begin(): void {
    const { log, after } = this.#options
    this.#position = after ?? log.kept.newest
    // So that a reader that loses its connection before the first event misses none.
    if (after === null) this.#send(idLine(this.#position))
    else if (!log.kept.isKnown(after)) this.#missed(after)
    this.#told = this.#position
    this.#wake()
  }

  /** Tells the reader that it has missed events, and goes on from where it can. */
  #missed(after: string): void {
    this.#position = this.#options.log.kept.nearest(after)
    this.#send(message(null, 'gap', JSON.stringify({ type: 'gap', after, next: this.#position })))
  }

  /** Sends what the reader takes, at the end of this turn of the event loop. */
  #wake(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#sendNext()
    })
  }

  #sendNext(): void {
    const { kept } = this.#options.log
    while (this.#isWanted && this.#position !== null && !this.destroyed) {
      if (kept.hasPassed(this.#position)) this.#missed(this.#position)
      const next = kept.after(this.#position, BATCH)
      if (next.length === 0) return
      for (const { id, ref, event } of next) {
        if (!this.#isWanted) break
        this.#position = id
        if (!this.#options.fits(event)) continue
        this.#told = id
        // A message without data sets the id, and the reader sees no event.
        const isSent = ref !== '' && this.#early.delete(ref)
        this.#send(isSent ? idLine(id) : message(id, event.type, JSON.stringify({ id, ...event })))
      }
    }
  }

  #sendEarly({ ref, event }: EarlyEvent): void {
    // Left out if the reader is behind: it comes with its id.
    const isNext = this.#position === null || this.#position === this.#options.log.kept.newest
    if (!this.#isWanted || !isNext || !this.#options.fits(event) || this.#early.size >= MAX_EARLY) return
    this.#early.add(ref)
    this.#send(message(null, event.type, JSON.stringify({ id: null, ...event })))
  }

  #beat(): void {
    const { patienceMs = PATIENCE_MS, onCut } = this.#options
    if (!this.#isWanted) {
      if (performance.now() - this.#takenAt < patienceMs) return
      onCut()
      this.destroy()
      return
    }
    // A reader of few types keeps a recent id, from which it can go on.
    const isBehind = this.#position !== null && this.#position !== this.#told
    this.#told = this.#position
    this.#send(isBehind ? idLine(this.#position ?? '') : ':\n\n')
  }

  #send(text: string): void {
    this.#isWanted = this.push(text) && this.#isWanted
  }
}

function idLine(id: string): string {
  return `id: ${id}\n\n`
}

function message(id: string | null, type: string, data: string): string {
  return `${id === null ? '' : `id: ${id}\n`}event: ${type}\ndata: ${data}\n\n`
}
