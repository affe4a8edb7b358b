import type { TracingSettings } from '../../model/tracing.ts'
import type { SpanWriter } from './span-writer.ts'
import type { TracedRequest } from './traced-request.ts'

/** Max number of spans that are not delivered yet, about 10 MB; more are dropped. */
const MAX_SPANS = 4_096
/**
 * Requests are made into spans several at once: this many, or those of this time. One by one costs twice as much, because the SDK
 * has left the caches of the processor meanwhile.
 */
const REQUESTS_AT_ONCE = 32
const WRITE_MS = 250
/** Max time to deliver spans at the end of the process. */
const FLUSH_MS = 1_000

/** The log that tracing writes to. */
export interface TracingLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/**
 * Records requests as OpenTelemetry spans. A receiver that is slow, hangs or is away costs the requests nothing: a bounded
 * number of spans waits for it, the rest is dropped and counted.
 */
export class Tracing {
  private readonly settings: TracingSettings
  private readonly log: TracingLog
  private readonly loading: Promise<void>
  private writer: SpanWriter | null = null
  /** Requests that are not made into spans yet. */
  private ended: TracedRequest[] = []
  private timer: NodeJS.Timeout | null = null
  private waitingSpans = 0
  private droppedSpans = 0
  private isFailing = false
  private isClosed = false

  constructor(settings: TracingSettings, log: TracingLog) {
    this.settings = settings
    this.log = log
    this.loading = this.load().catch((error: unknown) => {
      this.isClosed = true
      log.warn({ err: error }, 'requests are not traced, because the OpenTelemetry SDK cannot be used')
    })
  }

  /** Number of spans dropped so far, because too many were waiting or could not be delivered. */
  get dropped(): number {
    return this.droppedSpans
  }

  /** Takes a request that has ended. Its spans are made later. */
  record(request: TracedRequest): void {
    const spans = 1 + request.tries.length
    if (this.isClosed || this.waitingSpans + spans > MAX_SPANS) {
      this.droppedSpans += spans
      return
    }
    this.waitingSpans += spans
    this.ended.push(request)
    if (this.writer === null) return
    if (this.ended.length === REQUESTS_AT_ONCE) setImmediate(() => this.write())
    else this.timer ??= setTimeout(() => this.write(), WRITE_MS).unref()
  }

  /** Delivers what is left, within `FLUSH_MS`, and drops the rest. */
  async close(): Promise<void> {
    const delivered = this.loading.then(() => {
      this.write()
      return this.writer?.close()
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FLUSH_MS)
    })
    // What becomes of the spans is counted in `settled`.
    await Promise.race([delivered.catch(() => undefined), late])
    clearTimeout(timer)
    this.isClosed = true
    this.droppedSpans += this.waitingSpans
    this.waitingSpans = 0
  }

  private async load(): Promise<void> {
    const { SpanWriter } = await import('./span-writer.ts')
    this.writer = new SpanWriter({
      endpoint: this.settings.endpoint,
      maxSpans: MAX_SPANS,
      onSettled: (spans, error) => this.settled(spans, error),
    })
    this.write()
  }

  private write(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    const ended = this.ended
    this.ended = []
    for (const request of ended) this.writer?.write(request)
  }

  private settled(spans: number, error: Error | null): void {
    if (this.isClosed) return
    this.waitingSpans -= spans
    if (error !== null) this.droppedSpans += spans
    if (this.isFailing === (error !== null)) return
    this.isFailing = error !== null
    const { endpoint } = this.settings
    if (error === null) this.log.info({ endpoint, dropped: this.droppedSpans }, 'spans are delivered again')
    else this.log.warn({ endpoint, reason: reasonOf(error) }, 'spans cannot be delivered, and are dropped')
  }
}

/** Without the body of the receiver's answer, which may be long. */
function reasonOf(error: Error): string {
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'number' ? `${code} ${error.message}` : error.message || String(code ?? error.name)
}
