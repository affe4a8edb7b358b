import type { Socket } from 'node:net'
import { Gathered } from './gathered.ts'
import { keep, letGo } from './input-buffer.ts'

/** Length of the buffer in which text and a piece are joined: a whole read with a long head. */
const MAX_JOINED_BYTES = 40 * 1024
/** Pieces below this are gathered while the socket cannot send: each one in its queue costs hundreds of bytes. */
const SMALL_BYTES = 2 * 1024
/** Max number of pieces whose buffers are kept until they are sent. */
const MAX_KEPT = 8
/** Gathered bytes up to which more are gathered. */
const MAX_GATHERED_BYTES = 64 * 1024

/** The buffer in which text and a piece are joined. Used again, unless the socket still needs it. */
let joined = Buffer.allocUnsafeSlow(MAX_JOINED_BYTES)

/** Writes text and buffers to a socket with as few buffers and system calls as possible. */
export class SocketWriter {
  private readonly socket: Socket
  private readonly onReady: () => void
  /** Whether the socket, whose handshake is over, encrypts bytes as soon as it takes them, and so needs them no longer. */
  private readonly encrypts: boolean
  /** Bytes that wait until the socket has sent what it has; null = none. */
  private gathered: Gathered | null = null
  /** Whether a write is pending whose end sends what was gathered. */
  private isAwaited = false
  private toldToWait = false
  /** Pieces that wait to be sent. */
  private kept: Buffer[] = []

  /** `socket`: is connected. `onReady`: called when `write` has returned false, and more can be written. */
  constructor(socket: Socket, onReady: () => void) {
    this.socket = socket
    this.onReady = onReady
    this.encrypts = 'encrypted' in socket
    socket.on('drain', this.onDrain)
  }

  /** Whether more should be written only after `onReady`. */
  get isFull(): boolean {
    return this.toldToWait || (this.socket.writableNeedDrain && this.isPending)
  }

  /** Whether something waits to be sent. */
  get isPending(): boolean {
    return this.socket.writableLength > 0
  }

  /**
   * Writes text, one character per byte, a piece, and text after it. Returns false if the caller must wait for
   * `onReady`.
   */
  write(before: string, piece: Buffer | null = null, after = ''): boolean {
    const { socket } = this
    const length = before.length + (piece === null ? 0 : piece.length) + after.length
    if (length === 0) return !this.isFull
    this.letGoOfSent()
    if (length < SMALL_BYTES && (this.isAwaited || this.isPending)) {
      return this.gather(bytesOf(before, piece, after, length))
    }
    if (this.gathered !== null) this.sendGathered()
    if (piece === null) socket.write(before + after, 'latin1')
    else if (before === '' && after === '') this.writePiece(piece)
    else this.writeJoined(before, piece, after, length)
    return !this.isFull
  }

  private writeJoined(before: string, piece: Buffer, after: string, length: number): void {
    if (length > MAX_JOINED_BYTES || this.isPending) {
      this.socket.write(bytesOf(before, piece, after, length))
      return
    }
    join(before, piece, after, joined)
    this.socket.write(joined.subarray(0, length))
    if (this.isPending && !this.encrypts) joined = Buffer.allocUnsafeSlow(MAX_JOINED_BYTES)
  }

  private writePiece(piece: Buffer): void {
    // A socket that has nothing to send takes it at once.
    if (this.encrypts && !this.isPending) {
      this.socket.write(piece)
      return
    }
    // Kept before the write: shared bytes must be copied before the socket may have to wait with them.
    const bytes = this.kept.length < MAX_KEPT ? keep(piece) : Buffer.from(piece)
    this.socket.write(bytes, this.letGoOfSent)
    if (this.isPending) this.kept.push(bytes)
    else letGo(bytes)
  }

  /** Lets go of the pieces that waited to be sent, if they are sent. */
  private readonly letGoOfSent = (): void => {
    if (this.kept.length === 0 || this.isPending) return
    for (const piece of this.kept) letGo(piece)
    this.kept = []
  }

  /** Ends the socket's output after what was written. */
  end(): void {
    if (this.gathered !== null) this.sendGathered()
    this.socket.end()
  }

  /** Sends what was gathered, and leaves the socket to another writer. */
  release(): void {
    if (this.gathered !== null) this.sendGathered()
    this.socket.off('drain', this.onDrain)
  }

  private gather(bytes: Buffer): boolean {
    if (!this.isAwaited) {
      this.isAwaited = true
      return this.socket.write(bytes, this.onWritten)
    }
    this.gathered ??= new Gathered()
    this.gathered.add(bytes)
    if (this.gathered.length < MAX_GATHERED_BYTES) return !this.isFull
    this.toldToWait = true
    return false
  }

  private sendGathered(): boolean {
    const { gathered } = this
    this.gathered = null
    if (gathered === null) return true
    return this.socket.write(gathered.bytes.subarray(0, gathered.length), this.onWritten)
  }

  private readonly onWritten = (): void => {
    this.letGoOfSent()
    this.isAwaited = this.gathered !== null
    if (this.socket.destroyed) return
    const wasTold = this.toldToWait
    this.toldToWait = false
    // If the socket is full again, it emits `drain`.
    if (this.sendGathered() && wasTold) this.onReady()
  }

  private readonly onDrain = (): void => {
    this.letGoOfSent()
    this.toldToWait = false
    this.onReady()
  }
}

function bytesOf(before: string, piece: Buffer | null, after: string, length: number): Buffer {
  if (piece === null) return Buffer.from(before + after, 'latin1')
  const bytes = Buffer.allocUnsafe(length)
  join(before, piece, after, bytes)
  return bytes
}

/** Writes all to the start of `bytes`. */
function join(before: string, piece: Buffer, after: string, bytes: Buffer): void {
  let at = bytes.write(before, 0, 'latin1')
  at += piece.copy(bytes, at)
  if (after !== '') bytes.write(after, at, 'latin1')
}
