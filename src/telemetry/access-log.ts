import { escaped, isPlain } from './log-text.ts'
import { Output, PIPE_BYTES } from './output.ts'

/** What is known of a request when it has ended. */
export interface AccessRecord {
  /** Milliseconds since the epoch, when the request ended. */
  readonly atMs: number
  readonly client: string
  readonly method: string
  readonly host: string
  /** Path and query as sent. */
  readonly target: string
  /** 499: the client left. */
  readonly status: number
  /** Body bytes sent to the client. */
  readonly bytes: number
  /** From the header of the request to the last byte of the answer. */
  readonly durationMs: number
  /** Of that, waiting for a server below its limit. */
  readonly queueMs: number
  /** Until the last try had a connection; 0 or nearly where one was open. null = it never had one. */
  readonly connectMs: number | null
  /** Until the header of the answer was there; null = none came. */
  readonly firstByteMs: number | null
  readonly service: string
  readonly pool: string
  readonly version: string
  readonly server: string
  readonly attempts: number
  readonly requestId: string
  readonly traceId: string
  /** RFC 9209 error name; empty when nothing went wrong. */
  readonly error: string
}

/** Lines wait this long for others to be written with. */
const GATHER_MS = 50
/** So much text is written at once, without waiting. */
const GATHER_CHARS = 32 * 1024

/**
 * One JSON line a request, gathered for a moment. Lines that nobody reads in time are dropped. The line is put together by
 * hand: a general serializer costs several times as much, on every request.
 */
export class AccessLog {
  private readonly output: Output
  private readonly sample: number
  private readonly gatherChars: number
  private pending = ''
  private pendingLines = 0
  private timer: NodeJS.Timeout | null = null
  private readonly write = (): void => {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    if (this.pendingLines > 0) this.output.write(this.pending, this.pendingLines)
    this.pending = ''
    this.pendingLines = 0
  }

  /**
   * `sample`: the share of requests that are logged, 0 to 1. `file`: a descriptor or a path; 1 is standard output.
   * `shared`: other processes write there as well.
   */
  constructor(sample: number, file: number | string = 1, shared = false) {
    this.sample = sample
    this.output = new Output(file)
    this.gatherChars = shared && this.output.isPipe ? PIPE_BYTES : GATHER_CHARS
  }

  /** Lines that were dropped so far, because nobody read them or the disk took none. */
  get dropped(): number {
    return this.output.dropped
  }

  log(record: AccessRecord): void {
    if (this.sample < 1 && Math.random() >= this.sample) return
    const line = lineOf(record)
    if (this.pending.length + line.length > this.gatherChars) this.write()
    this.pending += line
    this.pendingLines++
    this.timer ??= setTimeout(this.write, GATHER_MS)
  }

  /** Writes what is pending; for the end of the process. */
  close(): void {
    this.write()
    this.output.flush()
  }
}

/** The line of a record: valid JSON whatever its texts are, and none of them adds a line or a control character. */
export function lineOf(record: AccessRecord): string {
  const { client, method, host, target, service, pool, version, server, requestId, traceId, error } = record
  // One look at all texts together costs half of what eleven looks do.
  const texts = `${client}${method}${host}${target}${service}${pool}${version}${server}${requestId}${traceId}${error}`
  return composed(isPlain(texts) ? record : withTextsEscaped(record))
}

function withTextsEscaped(record: AccessRecord): AccessRecord {
  const entries = Object.entries(record).map(([key, value]) => [
    key,
    typeof value === 'string' ? escaped(value) : value,
  ])
  return Object.fromEntries(entries) as AccessRecord
}

function composed(record: AccessRecord): string {
  const { client, method, host, target, service, pool, version, server, requestId, traceId, error } = record
  return `{"level":30,"time":${record.atMs},"msg":"request","client":"${client}","method":"${method}","host":"${host}","target":"${target}","status":${record.status},"bytes":${record.bytes},"ms":${rounded(record.durationMs)},"queueMs":${rounded(record.queueMs)},"connectMs":${roundedOrNull(record.connectMs)},"firstByteMs":${roundedOrNull(record.firstByteMs)},"service":"${service}","pool":"${pool}","version":"${version}","server":"${server}","attempts":${record.attempts},"requestId":"${requestId}","traceId":"${traceId}"${error === '' ? '' : `,"error":"${error}"`}}\n`
}

/** To the microsecond. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

function roundedOrNull(ms: number | null): number | null {
  return ms === null ? null : rounded(ms)
}
