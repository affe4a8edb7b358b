import type { Logger } from 'pino'
import type { AccessLogFormat, AccessLogSettings } from '../../model/access-log-settings.ts'
import { LogFile } from '../log-file.ts'
import { Output, PIPE_BYTES } from '../output.ts'
import type { AccessRecord } from './access-record.ts'
import { combinedLine } from './combined-line.ts'
import { jsonLine } from './json-line.ts'
import { logfmtLine } from './logfmt-line.ts'

const STANDARD_OUTPUT = 1
/** Max time that a line is buffered, to write several lines at once. */
const BUFFER_MS = 50
/** Max length of buffered text; beyond it, the buffer is written at once. */
const BUFFER_CHARS = 32 * 1024

const AFTER_LINE = /(?<=\n)/

/** Formats a record as a line that no text of the record can break. */
type LineFormat = (record: AccessRecord) => string

const FORMATS: Readonly<Record<AccessLogFormat, LineFormat>> = {
  json: jsonLine,
  combined: combinedLine,
  logfmt: logfmtLine,
}

/** Writes one line per request, buffered for a moment. Lines are dropped if the reader does not keep up. */
export class AccessLog {
  private readonly output: Output | LogFile
  private readonly lineOf: LineFormat
  private readonly sample: number
  /** Other processes write to the same pipe: only writes of at most `PIPE_BYTES` are not mixed with theirs. */
  private readonly isSharedPipe: boolean
  private readonly bufferChars: number
  private pending = ''
  private pendingLines = 0
  private timer: NodeJS.Timeout | null = null
  private readonly write = (): void => {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    // Characters beyond ASCII take several bytes.
    if (this.isSharedPipe && Buffer.byteLength(this.pending) > PIPE_BYTES)
      for (const line of this.pending.split(AFTER_LINE)) this.output.write(line, 1)
    else if (this.pendingLines > 0) this.output.write(this.pending, this.pendingLines)
    this.pending = ''
    this.pendingLines = 0
  }

  /** `log`: is told of trouble with the file. `shared`: other processes write to the same output, too. */
  constructor({ format, sample, file }: AccessLogSettings, log: Pick<Logger, 'error' | 'warn'>, shared: boolean) {
    this.lineOf = FORMATS[format]
    this.sample = sample
    this.output = file === '' ? new Output(STANDARD_OUTPUT) : new LogFile(file, log)
    this.isSharedPipe = shared && this.output instanceof Output && this.output.isPipe
    this.bufferChars = this.isSharedPipe ? PIPE_BYTES : BUFFER_CHARS
  }

  /** Number of lines dropped so far, because they were not read in time or could not be written to the disk. */
  get dropped(): number {
    return this.output.dropped
  }

  log(record: AccessRecord): void {
    if (this.sample < 1 && Math.random() >= this.sample) return
    const line = this.lineOf(record)
    if (this.pending.length + line.length > this.bufferChars) this.write()
    this.pending += line
    this.pendingLines++
    this.timer ??= setTimeout(this.write, BUFFER_MS)
  }

  /** Writes the buffered lines and opens the file again; nothing to open on standard output. */
  reopen(): void {
    this.write()
    if (this.output instanceof LogFile) this.output.reopen()
  }

  /** Writes the buffered lines; call it before the process ends. */
  close(): void {
    this.write()
    if (this.output instanceof LogFile) this.output.close()
    else this.output.flush()
  }
}
