import { escaped, escapedJson, isPlain } from './log-text.ts'
import { Output, PIPE_BYTES } from './output.ts'

/** Data of one request, complete when the request has ended. */
export interface AccessRecord {
  /** Milliseconds since the epoch, when the request ended. */
  readonly atMs: number
  readonly client: string
  readonly method: string
  readonly host: string
  /** Path and query as sent. */
  readonly target: string
  /** Status sent to the client; 499 = the client left before the response. */
  readonly status: number
  /** Body bytes sent to the client. */
  readonly bytes: number
  /** From the header of the request to the last byte of the response. */
  readonly durationMs: number
  /** Part of `durationMs` spent queued for a server below its limit. */
  readonly queueMs: number
  /** Time for which it was held because its service was paused, ms. */
  readonly heldMs: number
  /** Time until the last try had a connection; about 0 if a pooled one was free. null = it had none. */
  readonly connectMs: number | null
  /** Time until the header of the response came; null = none came. */
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
  /** Fields that hooks have added; null = none. */
  readonly tags: Readonly<Record<string, LogTag>> | null
}

/** A value of a field that a hook has added. */
export type LogTag = string | number | boolean

/** Max time that a line is buffered, to write several lines at once. */
const BUFFER_MS = 50
/** Max length of buffered text; beyond it, the buffer is written at once. */
const BUFFER_CHARS = 32 * 1024

/**
 * Writes one JSON line per request, buffered for a moment. Lines are dropped if the reader does not keep up. Lines are
 * built by hand, because a general serializer would cost several times as much on every request.
 */
export class AccessLog {
  private readonly output: Output
  private readonly sample: number
  private readonly bufferChars: number
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
   * `shared`: other processes write to the same file, too.
   */
  constructor(sample: number, file: number | string = 1, shared = false) {
    this.sample = sample
    this.output = new Output(file)
    this.bufferChars = shared && this.output.isPipe ? PIPE_BYTES : BUFFER_CHARS
  }

  /** Number of lines dropped so far, because they were not read in time or could not be written to the disk. */
  get dropped(): number {
    return this.output.dropped
  }

  log(record: AccessRecord): void {
    if (this.sample < 1 && Math.random() >= this.sample) return
    const line = lineOf(record)
    if (this.pending.length + line.length > this.bufferChars) this.write()
    this.pending += line
    this.pendingLines++
    this.timer ??= setTimeout(this.write, BUFFER_MS)
  }

  /** Writes the buffered lines; call it before the process ends. */
  close(): void {
    this.write()
    this.output.flush()
  }
}

/** Formats a record as a line: valid JSON for any texts, which can add neither a line break nor a control character. */
export function lineOf(record: AccessRecord): string {
  const { client, method, host, target, service, pool, version, server, requestId, traceId, error } = record
  // Checking all texts at once costs half as much as eleven checks.
  const texts = `${client}${method}${host}${target}${service}${pool}${version}${server}${requestId}${traceId}${error}`
  return format(isPlain(texts) ? record : withTextsEscaped(record))
}

function withTextsEscaped(record: AccessRecord): AccessRecord {
  const entries = Object.entries(record).map(([key, value]) => [
    key,
    typeof value === 'string' ? escaped(value) : value,
  ])
  return Object.fromEntries(entries) as AccessRecord
}

function format(record: AccessRecord): string {
  const { client, method, host, target, service, pool, version, server, requestId, traceId, error } = record
  return `{"level":30,"time":${record.atMs},"msg":"request","client":"${client}","method":"${method}","host":"${host}","target":"${target}","status":${record.status},"bytes":${record.bytes},"ms":${rounded(record.durationMs)},"queueMs":${rounded(record.queueMs)},${record.heldMs === 0 ? '' : `"heldMs":${rounded(record.heldMs)},`}"connectMs":${roundedOrNull(record.connectMs)},"firstByteMs":${roundedOrNull(record.firstByteMs)},"service":"${service}","pool":"${pool}","version":"${version}","server":"${server}","attempts":${record.attempts},"requestId":"${requestId}","traceId":"${traceId}"${error === '' ? '' : `,"error":"${error}"`}${record.tags === null ? '' : `,"tags":${escapedJson(record.tags)}`}}\n`
}

/** Rounds to the microsecond. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

function roundedOrNull(ms: number | null): number | null {
  return ms === null ? null : rounded(ms)
}
