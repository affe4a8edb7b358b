import { constants, fstatSync, openSync, type Stats, writeSync } from 'node:fs'
import { Socket } from 'node:net'

/** So much waits for a reader that does not keep up; what comes on top is dropped. */
const MAX_PENDING_BYTES = 1024 * 1024
/** How often a full pipe is tried again. A pipe holds 64 KiB, so this allows for 12 MiB a second. */
const RETRY_MS = 5
/** How long a reader may take to make room at the end of the process. */
const FLUSH_MS = 200
/** What a socket's stream may have pending. */
const SOCKET_BYTES = 64 * 1024
/** Several processes may write this to one pipe at once and stay apart, PIPE_BUF of pipe(7). */
export const PIPE_BYTES = 4_096

/** Takes as many of these bytes as there is room for now. Throws what writing throws. */
type Sink = (bytes: Buffer) => number

interface Piece {
  bytes: Buffer
  readonly lines: number
  /** Some of it is written. */
  isBegun: boolean
}

/**
 * Writes text to a descriptor or a file without ever waiting for whoever reads it: a bounded amount is pending, the rest is
 * dropped and counted. A blocking write would hold up the event loop, or in a thread of libuv's the end of the process.
 */
export class Output {
  /** No file: what several processes write there is mixed, except for pieces of at most `PIPE_BYTES`. */
  readonly isPipe: boolean
  private readonly sink: Sink
  private readonly onRecovered: ((dropped: number) => void) | undefined
  private readonly pending: Piece[] = []
  private pendingBytes = 0
  private timer: NodeJS.Timeout | null = null
  private droppedLines = 0
  private toldLines = 0
  /** The last write broke off within a line. */
  private isTorn = false

  /** `onRecovered`: called when text is taken again after lines were dropped, with how many. */
  constructor(to: number | string, onRecovered?: (dropped: number) => void) {
    const fd = typeof to === 'number' ? to : openSync(to, 'a')
    const stats = statsOf(fd)
    this.isPipe = stats !== null && !stats.isFile()
    this.sink = sinkFor(fd, stats)
    this.onRecovered = onRecovered
  }

  /** Lines that were dropped so far. */
  get dropped(): number {
    return this.droppedLines
  }

  /** Writes whole lines. */
  write(text: string, lines = 1): void {
    const bytes = Buffer.from(text)
    if (this.pendingBytes + bytes.length > MAX_PENDING_BYTES) {
      this.droppedLines += lines
      return
    }
    this.pending.push({ bytes, lines, isBegun: false })
    this.pendingBytes += bytes.length
    if (this.timer === null) this.drain()
  }

  /** For the end of the process: waits a moment for room, then drops what is left. */
  flush(): void {
    const until = performance.now() + FLUSH_MS
    this.drain()
    while (this.pending.length > 0 && performance.now() < until) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
      this.drain()
    }
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

  /** Whether nothing is left of it: written, or dropped because nobody can take it. */
  private writeFirst(first: Piece): boolean {
    try {
      if (this.isTorn) this.isTorn = this.sink(Buffer.from('\n')) === 0
      const taken = this.isTorn ? 0 : this.sink(first.bytes)
      this.pendingBytes -= taken
      first.isBegun ||= taken > 0
      first.bytes = first.bytes.subarray(taken)
      return first.bytes.length === 0
    } catch {
      // The reader has gone, the disk is full or broken: the next lines may fare better, these do not wait for it.
      this.isTorn ||= first.isBegun
      this.pendingBytes -= first.bytes.length
      this.droppedLines += first.lines
      this.toldLines += first.lines
      return true
    }
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
  // A file takes everything at once, or fails.
  if (stats === null || stats.isFile()) return (bytes) => writeSync(fd, bytes)
  const own = reopened(fd)
  if (own !== null) return (bytes) => withoutWaiting(own, bytes)
  return stats.isCharacterDevice() ? (bytes) => writeSync(fd, bytes) : socketSink(fd)
}

/**
 * The same pipe or terminal, opened anew so that only our own end of it does not block: the flag belongs to what several
 * processes may share. null = the system does not let us, as for sockets.
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

/** A stream over a socket (such as journald's), which does not block, and queues by itself. */
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
