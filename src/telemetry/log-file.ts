import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import type { Logger } from 'pino'

/** Not to be read by everybody: targets of requests may contain secrets. */
const MODE = 0o640
const { O_RDWR, O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK } = constants
/** Without O_NONBLOCK, opening a named pipe would wait for its reader. */
const FLAGS = O_RDWR | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK
const LINE_END = 0x0a
/** Max time without a write after which the end of the file is looked at again, ms. */
const SURE_MS = 1_000
/** Min time between two reports of trouble, ms. */
const REPORT_MS = 60_000

/**
 * A log file, to which other processes may append as well. Each write is one system call with whole lines, which local
 * file systems do not mix with those of others. Lines that cannot be written are dropped and counted, and the next write
 * tries again.
 */
export class LogFile {
  private readonly path: string
  private readonly log: Pick<Logger, 'error' | 'warn'>
  /** null = not open. */
  private fd: number | null = null
  /** The path leads to another file, which could not be opened so far. */
  private mustOpen = true
  private droppedLines = 0
  private toldLines = 0
  private isInTrouble = false
  private reportedAt = Number.NEGATIVE_INFINITY
  /** When the file is known to have ended with a whole line; monotonic ms. */
  private sureAt = Number.NEGATIVE_INFINITY
  private readonly lastByte = Buffer.alloc(1)

  /** `log`: is told when the file cannot be written, and when it can be again. */
  constructor(path: string, log: Pick<Logger, 'error' | 'warn'>) {
    this.path = path
    this.log = log
    this.reopen()
  }

  /** Number of lines dropped so far. */
  get dropped(): number {
    return this.droppedLines
  }

  /** Writes whole lines. `lines`: their number. */
  write(text: string, lines: number): void {
    try {
      const fd = this.opened()
      const bytes = Buffer.from(this.endsInLine(fd) ? text : `\n${text}`)
      const written = writeSync(fd, bytes)
      if (written === bytes.length) this.handleSuccess()
      else {
        // The rest is not written: a line of another process may follow the first part by now.
        this.droppedLines += linesIn(bytes, written)
        this.sureAt = Number.NEGATIVE_INFINITY
      }
    } catch (error) {
      this.droppedLines += lines
      this.sureAt = Number.NEGATIVE_INFINITY
      this.report(error as Error)
    }
  }

  /**
   * Opens the path again, after the file was renamed. If that fails, lines go on to the file that is open, and each write
   * tries again.
   */
  reopen(): void {
    this.mustOpen = true
    try {
      this.open()
    } catch (error) {
      this.report(error as Error)
    }
  }

  close(): void {
    if (this.fd !== null) closeSync(this.fd)
    this.fd = null
  }

  /** Returns the descriptor, of a new file if that is due or if the file was removed. Throws errors of opening. */
  private opened(): number {
    const { fd } = this
    if (fd === null) return this.open()
    const isRemoved = fstatSync(fd).nlink === 0
    if (!isRemoved && !this.mustOpen) return fd
    try {
      return this.open()
    } catch (error) {
      if (isRemoved) throw error
      this.report(error as Error)
      return fd
    }
  }

  private open(): number {
    const fd = openSync(this.path, FLAGS, MODE)
    if (!fstatSync(fd).isFile()) {
      closeSync(fd)
      throw new Error(`${this.path} is not a regular file`)
    }
    this.close()
    this.fd = fd
    this.mustOpen = false
    this.sureAt = Number.NEGATIVE_INFINITY
    return fd
  }

  /**
   * Whether the file ends with a whole line: a process may have written a part of one, on a full disk or before a crash.
   * Not looked at before every write, because a write of another process may just be under way.
   */
  private endsInLine(fd: number): boolean {
    if (performance.now() - this.sureAt < SURE_MS) return true
    const { size } = fstatSync(fd)
    return size === 0 || readSync(fd, this.lastByte, 0, 1, size - 1) === 0 || this.lastByte[0] === LINE_END
  }

  private handleSuccess(): void {
    this.sureAt = performance.now()
    if (!this.isInTrouble || this.mustOpen) return
    this.isInTrouble = false
    const dropped = this.droppedLines - this.toldLines
    this.toldLines = this.droppedLines
    this.log.warn({ file: this.path, dropped }, 'the access log can be written again')
  }

  private report(error: Error): void {
    const now = performance.now()
    if (this.isInTrouble || now - this.reportedAt < REPORT_MS) return
    this.isInTrouble = true
    this.reportedAt = now
    const consequence = this.fd !== null && this.mustOpen ? 'lines go on to the file that is open' : 'lines are dropped'
    this.log.error({ file: this.path, err: error }, `the access log cannot be written: ${consequence}`)
  }
}

/** Number of lines that end in `bytes` at `from` or after it. */
function linesIn(bytes: Buffer, from: number): number {
  let lines = 0
  for (let at = bytes.indexOf(LINE_END, from); at >= 0; at = bytes.indexOf(LINE_END, at + 1)) lines++
  return lines
}
