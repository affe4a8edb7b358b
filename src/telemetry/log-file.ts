import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import type { Logger } from 'pino'

/** Not to be read by everybody: targets of requests may contain secrets. */
const MODE = 0o640
const { O_RDWR, O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK } = constants
/** Without O_NONBLOCK, opening a named pipe would wait for its reader. */
const FLAGS = O_RDWR | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK
const LINE_END = 0x0a
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
  /** Size at which the file was seen to end within a line; -1 = it was not. */
  private tornSize = -1
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
      const bytes = Buffer.from(this.isTorn(fd) ? `\n${text}` : text)
      const written = writeSync(fd, bytes)
      this.tornSize = -1
      if (written === bytes.length) this.handleSuccess()
      else {
        // The rest is not written: a line of another process may follow the first part by now.
        this.droppedLines += linesIn(bytes, written)
        this.lookAtEnd(fd)
      }
    } catch (error) {
      this.droppedLines += lines
      this.report(error as Error)
      // Other processes fail, too, and may have written a part of a line before.
      if (this.fd !== null) this.lookAtEnd(this.fd)
    }
  }

  /**
   * Opens the path again, after the file was renamed. If that fails, lines go on to the file that is open, and each write
   * tries again.
   */
  reopen(): void {
    this.mustOpen = true
    try {
      this.lookAtEnd(this.open())
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
    this.tornSize = -1
    return fd
  }

  /**
   * Notes whether the file ends within a line, as it does if a process could write only a part of one, on a full disk or
   * before a crash. A write of another process that is just under way looks the same; `isTorn` tells them apart.
   */
  private lookAtEnd(fd: number): void {
    this.tornSize = -1
    try {
      const { size } = fstatSync(fd)
      const hasByte = size > 0 && readSync(fd, this.lastByte, 0, 1, size - 1) === 1
      if (hasByte && this.lastByte[0] !== LINE_END) this.tornSize = size
    } catch {
      // A file that cannot be read cannot be written either; the next write reports it.
    }
  }

  /** Whether the file still ends where it was seen to end within a line. */
  private isTorn(fd: number): boolean {
    return this.tornSize >= 0 && fstatSync(fd).size === this.tornSize
  }

  private handleSuccess(): void {
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
