import { constants, fstatSync, openSync, type Stats, writeSync } from 'node:fs'
import { Socket } from 'node:net'

/** Max text that waits for a slow reader; more is dropped. */
const MAX_PENDING_BYTES = 1024 * 1024
/** Interval between writes to a full pipe. A pipe holds 64 KiB, so this allows for 12 MiB per second. */
const RETRY_MS = 5
/** Max time to wait for the reader at the end of the process. */
const FLUSH_MS = 200
/** Max bytes that the stream of a socket may buffer. */
const SOCKET_BYTES = 64 * 1024
/** Max bytes of a write to a pipe that the system does not mix with writes of other processes: PIPE_BUF of pipe(7). */
export const PIPE_BYTES = 4_096

/** Writes as many bytes as there is room for, without waiting. Returns their number. Throws errors of writing. */
type Sink = (bytes: Buffer) => number

interface Piece {
  bytes: Buffer
  readonly lines: number
  /** Whether a part of it is written. */
  isStarted: boolean
}

/**
 * Writes text to a descriptor without ever waiting for the reader: a bounded amount is buffered, the rest is
 * dropped and counted. A blocking write would block the event loop or, in a libuv thread, the end of the process.
 */
export class Output {
  /** Not a file: writes of several processes may be mixed, except for pieces of at most `PIPE_BYTES`. */
  readonly isPipe: boolean
  private readonly sink: Sink
  private readonly onRecovered: ((dropped: number) => void) | undefined
  private readonly pending: Piece[] = []
  private pendingBytes = 0
  private timer: NodeJS.Timeout | null = null
  private droppedLines = 0
  private toldLines = 0
  /** Whether the last write stopped in the middle of a line. */
  private isTorn = false

  /** `onRecovered`: called when text can be written again after lines were dropped, with their number. */
  constructor(fd: number, onRecovered?: (dropped: number) => void) {
    const stats = statsOf(fd)
    this.isPipe = stats !== null && !stats.isFile()
    this.sink = sinkFor(fd, stats)
    this.onRecovered = onRecovered
  }

  /** Number of lines dropped so far. */
  get dropped(): number {
    return this.droppedLines
  }

  /** Writes whole lines. `lines`: their number. */
  write(text: string, lines = 1): void {
    const bytes = Buffer.from(text)
    if (this.pendingBytes + bytes.length > MAX_PENDING_BYTES) {
      this.droppedLines += lines
      return
    }
    this.pending.push({ bytes, lines, isStarted: false })
    this.pendingBytes += bytes.length
    if (this.timer === null) this.drain()
  }

  /** Writes everything for the end of the process: waits up to `FLUSH_MS` for room, then drops the rest. */
  flush(): void {
    const until = performance.now() + FLUSH_MS
    this.drain()
    while (this.pending.length > 0 && performance.now() < until) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
      this.drain()
    }
    for (const piece of this.pending.splice(0)) this.drop(piece)
  }

  private drain(): void {
    while (this.pending[0] !== undefined) {
      if (!this.writeFirst(this.pending[0])) {
        this.timer ??= setTimeout(() => {
          this.timer = null
          this.drain()
        }, RETRY_MS).unref()
        return
      }
      this.pending.shift()
    }
    if (this.toldLines === this.droppedLines) return
    const dropped = this.droppedLines - this.toldLines
    this.toldLines = this.droppedLines
    this.onRecovered?.(dropped)
  }

  /** Writes the first piece. Returns whether it is done: written completely, or dropped because of an error. */
  private writeFirst(first: Piece): boolean {
    try {
      if (this.isTorn) this.isTorn = this.sink(Buffer.from('\n')) === 0
      const taken = this.isTorn ? 0 : this.sink(first.bytes)
      this.pendingBytes -= taken
      first.isStarted ||= taken > 0
      first.bytes = first.bytes.subarray(taken)
      return first.bytes.length === 0
    } catch {
      // The reader is gone, or the disk is full or broken. The next piece is tried again.
      this.drop(first)
      this.toldLines += first.lines
      return true
    }
  }

  private drop({ bytes, lines, isStarted }: Piece): void {
    this.isTorn ||= isStarted
    this.pendingBytes -= bytes.length
    this.droppedLines += lines
  }
}

function statsOf(fd: number): Stats | null {
  try {
    return fstatSync(fd)
  } catch {
    return null
  }
}

function sinkFor(fd: number, stats: Stats | null): Sink {
  // A write to a file is complete, or fails.
  if (stats === null || stats.isFile()) return (bytes) => writeSync(fd, bytes)
  const own = reopened(fd)
  if (own !== null) return (bytes) => withoutWaiting(own, bytes)
  return stats.isCharacterDevice() ? (bytes) => writeSync(fd, bytes) : socketSink(fd)
}

/**
 * Opens the same pipe or terminal again, non-blocking: O_NONBLOCK belongs to the open file description, and setting it
 * on `fd` would affect other processes that share it. null = not possible, as for sockets.
 */
function reopened(fd: number): number | null {
  if (process.platform !== 'linux') return null
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return null
  }
}

function withoutWaiting(fd: number, bytes: Buffer): number {
  try {
    return writeSync(fd, bytes)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
    throw error
  }
}

/** Sink over a socket (such as journald's): a Node stream, which does not block and has a buffer of its own. */
function socketSink(fd: number): Sink {
  const socket = new Socket({ fd, readable: false, writable: true })
  socket.unref()
  let broken: Error | null = null
  socket.on('error', (error) => {
    broken = error
  })
  return (bytes) => {
    if (broken !== null) throw broken
    if (socket.writableLength > SOCKET_BYTES) return 0
    socket.write(bytes)
    return bytes.length
  }
}
